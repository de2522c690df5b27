/** What the vault's tests share: a chain with a deployed vault, payers that sign with viem, random but seeded keys. */
import { p256 } from '@noble/curves/nist.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import {
  bytesToHex,
  concat,
  type Hex,
  hashStruct,
  hashTypedData,
  hexToBytes,
  signatureToCompactSignature,
} from 'viem';
import { type PrivateKeyAccount, privateKeyToAccount, sign } from 'viem/accounts';
import { type Anvil, type AnvilOptions, startAnvil } from '../../hub/l2/anvil.ts';
import { readArtifacts } from '../../hub/l2/artifacts.ts';
import { type Deployment, type DeployOptions, deploy } from '../../hub/l2/deploy.ts';
import type { ShownLease } from '../../hub/l2/rows.ts';
import type { Listed, OpenedRequest, Row, SignedVoucher } from '../../hub/l2/rows.ts';
import { Vault } from '../../hub/l2/vault.ts';

export const ZERO16 = new Uint8Array(16);
export const ZERO32 = new Uint8Array(32);

/** The structs of the design, as viem wants them. */
export const STRUCTS = {
  Request: 'address terminal,uint48 amount,uint40 at,bytes32 detail',
  Voucher: 'uint32 channel,uint32 seq,uint48 spent,address payee,uint48 paid,bytes16 lanes,bytes32 request',
  Stream:
    'uint32 channel,uint32 seq,uint48 spent,address payee,uint48 paid,bytes32 request,bytes32 anchor,uint48 tickValue,uint16 ticks',
  Lease:
    'uint32 channel,address payer,uint48 spentFrom,uint48 spendLimit,uint48 tapLimit,uint48 cap,uint48 guarantee,uint40 issuedAt,uint40 expiresAt,bytes32 scope',
  Terminal: 'address terminal,address payee,uint40 expiresAt',
  Member: 'bytes32 scope,address terminal,uint40 expiresAt',
  HubKey: 'address key,uint40 from,uint40 until,uint32 epoch,uint40 signedAt',
  HubKeyRevoked: 'address key,uint40 at',
  Receipt: 'bytes32 voucher',
  Acknowledgement: 'bytes32 entry,uint48 position,uint40 at',
  Credit: 'bytes32 voucher,uint48 credited',
  Beacon: 'uint40 at,uint48 height,bytes32 revocations,bytes32 checkpoint,bytes16 nonce',
  Released: 'uint32 channel,address payee,uint40 until',
} as const;
export type StructName = keyof typeof STRUCTS;

/** viem's type table of one struct. */
export const typesOf = (name: StructName) => ({
  [name]: STRUCTS[name].split(',').map((field) => {
    const [type, fieldName] = field.split(' ');
    return { type: type!, name: fieldName! };
  }),
});

export const domainOf = (chainId: number, vault: Hex) =>
  ({ name: 'Sundial', version: '1', chainId, verifyingContract: vault }) as const;
export type Domain = ReturnType<typeof domainOf>;

const plain = (value: unknown): unknown => (value instanceof Uint8Array ? bytesToHex(value) : value);

/** EIP-712 digest by viem. Byte fields may be Uint8Array. */
export const digestOf = (domain: Domain, name: StructName, message: object): Uint8Array =>
  hexToBytes(
    hashTypedData({
      domain,
      types: typesOf(name),
      primaryType: name,
      message: Object.fromEntries(Object.entries(message).map(([key, value]) => [key, plain(value)])),
    }),
  );

/** hashStruct by viem. */
export const structHashOf = (name: StructName, message: object): Uint8Array =>
  hexToBytes(
    hashStruct({
      types: typesOf(name),
      primaryType: name,
      data: Object.fromEntries(Object.entries(message).map(([key, value]) => [key, plain(value)])),
    }),
  );

export interface Signer {
  readonly address: Hex;
  /** P-256 only: x and y. */
  readonly key?: Uint8Array;
  sign(digest: Uint8Array): Promise<Uint8Array>;
}

/** 32 bytes from a name: keys and preimages that are the same in every run. */
export const named = (name: string): Uint8Array => keccak_256(new TextEncoder().encode(name));

/** 64-byte compact signature of a secp256k1 key. */
export async function signWith(privateKey: Hex, digest: Uint8Array): Promise<Uint8Array> {
  const { r, yParityAndS } = signatureToCompactSignature(
    await sign({ hash: bytesToHex(digest), privateKey }),
  );
  return hexToBytes(concat([r, yParityAndS]));
}

export function secpSigner(name: string): Signer & { readonly account: PrivateKeyAccount } {
  const privateKey = bytesToHex(named(name));
  const account = privateKeyToAccount(privateKey);
  return {
    address: account.address,
    account,
    sign: (digest) => signWith(privateKey, digest),
  };
}

export function p256Signer(name: string): Signer {
  const secret = named(name);
  const key = p256.getPublicKey(secret, false).slice(1);
  return {
    address: bytesToHex(keccak_256(key).slice(12)),
    key,
    async sign(digest) {
      return p256.sign(digest, secret, { prehash: false, lowS: false });
    },
  };
}

/** A lane commitment as the design defines it. */
export function lanesHash(list: readonly Listed[]): Uint8Array {
  if (list.length === 0) return ZERO16;
  const packed = new Uint8Array(26 * list.length);
  list.forEach(({ payee, paid }, index) => {
    packed.set(payee, 26 * index);
    packed.set(hexToBytes(`0x${paid.toString(16).padStart(12, '0')}`), 26 * index + 20);
  });
  return keccak_256(packed).slice(0, 16);
}

export const structOf = (voucher: SignedVoucher): StructName =>
  voucher.kind === 'stream' ? 'Stream' : 'Voucher';

/** Signs a voucher and makes it a row. */
export async function rowOf(
  domain: Domain,
  signer: Signer,
  voucher: SignedVoucher,
  parts: Partial<Pick<Row, 'list' | 'reveal' | 'opened'>> = {},
): Promise<Row> {
  const signature = await signer.sign(digestOf(domain, structOf(voucher), voucher));
  return { voucher, signature, ...(signer.key && { key: signer.key }), ...parts };
}

/** Makes a credit row of a voucher row. */
export async function creditOf(domain: Domain, payee: Signer, row: Row, credited: number): Promise<Row> {
  const voucher = digestOf(domain, structOf(row.voucher), row.voucher);
  const { list: _list, ...rest } = row;
  return {
    ...rest,
    credit: {
      credited,
      signature: await payee.sign(digestOf(domain, 'Credit', { voucher, credited })),
    },
  };
}

/** A lease for any terminal, of a pot that opened at `openedAt`: what a payee shows of the hub's promise. */
export async function wideLease(
  world: World,
  channel: number,
  cap: number,
  openedAt: number,
): Promise<ShownLease> {
  const { payer } = await world.vault.readChannel(channel);
  const terms = {
    spentFrom: 0,
    spendLimit: 2 ** 40,
    tapLimit: cap,
    cap,
    guarantee: 0,
    issuedAt: openedAt,
    expiresAt: openedAt + 3 * 86_400,
  };
  const digest = digestOf(world.domain, 'Lease', { channel, payer, ...terms, scope: ZERO32 });
  return { ...terms, signature: await signWith(world.anvil.keys[0]!, digest), members: [] };
}

export const requestOf = (amount: number, name = 'a tap'): OpenedRequest => ({
  terminal: named(name).slice(0, 20),
  amount,
  at: 1_800_000_000,
  detail: named(`detail of ${name}`),
});

export interface World {
  readonly anvil: Anvil;
  readonly deployment: Deployment;
  readonly vault: Vault;
  readonly domain: Domain;
  /** Holds all TIME. */
  readonly rich: PrivateKeyAccount;
  /** Lets the chain's clock jump, in seconds, and mines a block. */
  warp(seconds: number): Promise<void>;
  stop(): Promise<void>;
}

/** A fresh chain with a vault. */
export async function startWorld(
  options: DeployOptions = {},
  anvilOptions: AnvilOptions = {},
): Promise<World> {
  const anvil = await startAnvil(anvilOptions);
  try {
    const rich = privateKeyToAccount(anvil.keys[0]!);
    const deployment = await deploy(anvil.url, rich, readArtifacts('build/contracts'), options);
    const vault = await Vault.connect(anvil.url, deployment.vault);
    return {
      anvil,
      deployment,
      vault,
      domain: domainOf(deployment.chainId, deployment.vault),
      rich,
      async warp(seconds) {
        await vault.client.request({ method: 'evm_increaseTime' as never, params: [seconds] as never });
        await vault.client.request({ method: 'evm_mine' as never });
      },
      stop: () => anvil.stop(),
    };
  } catch (error) {
    await anvil.stop();
    throw error;
  }
}

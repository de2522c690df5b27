// Writes test/vectors/digests.json: every EIP-712 struct with its struct hash and digest, computed by viem. The vault,
// the chip and the TypeScript protocol are all held to this file. Run it only when a struct changes.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashStruct, hashTypedData, keccak256, toHex } from 'viem';
import { root } from '../../tools/ensure.mjs';

const structs = {
  Request: 'address terminal,uint48 amount,uint40 at,bytes32 detail',
  Voucher: 'uint32 channel,uint32 seq,uint48 spent,address payee,uint48 paid,bytes16 lanes,bytes32 request',
  Stream:
    'uint32 channel,uint32 seq,uint48 spent,address payee,uint48 paid,bytes32 request,bytes32 anchor,uint48 tickValue,uint16 ticks',
  Lease:
    'uint32 channel,address payer,uint48 spentFrom,uint48 spendLimit,uint48 tapLimit,uint48 cap,uint48 guarantee,uint40 issuedAt,uint40 expiresAt,bytes32 scope',
  LeaseRequest: 'uint32 channel,uint32 seq,uint48 spent,uint40 at,bytes32 scope',
  Terminal: 'address terminal,address payee,uint40 expiresAt',
  Synced: 'address terminal,uint40 at',
  Member: 'bytes32 scope,address terminal,uint40 expiresAt',
  HubKey: 'address key,uint40 from,uint40 until,uint32 epoch,uint40 signedAt',
  HubKeyRevoked: 'address key,uint40 at',
  Register: 'bytes32 hub,address device,address payee,uint32 counter',
  Login: 'bytes32 hub,address device,uint32 counter',
  Receipt: 'bytes32 voucher',
  Acknowledgement: 'bytes32 entry,uint48 position,uint40 at',
  Kept: 'bytes32 entry,uint48 position,uint40 at',
  Unknown: 'bytes32 entry,uint48 size,address terminal,uint40 synced',
  Credit: 'bytes32 voucher,uint48 credited',
  Released: 'uint32 channel,address payee,uint40 until',
  ClearanceEnded: 'bytes32 request',
  Beacon: 'uint40 at,uint48 height,bytes32 revocations,bytes32 checkpoint,bytes16 nonce',
};

const domains = [
  { chainId: 31337, verifyingContract: '0x5fbdb2315678afecb367f032d93f642f64180aa3' },
  { chainId: 8453, verifyingContract: `0x${'00'.repeat(19)}01` },
];

/** A value of a type: all zero bits, all one bits, or something typical that is the same in every run. */
function value(type, style, label) {
  const bytes = type === 'address' ? 20 : Number(/\d+$/.exec(type)[0]) / (type.startsWith('uint') ? 8 : 1);
  if (type.startsWith('uint')) {
    if (style === 'zero') return 0;
    if (style === 'max') return 2 ** (8 * bytes) - 1;
    return Number(BigInt(keccak256(toHex(label)).slice(0, 2 + 2 * Math.min(bytes, 6))));
  }
  if (style === 'zero') return `0x${'00'.repeat(bytes)}`;
  if (style === 'max') return `0x${'ff'.repeat(bytes)}`;
  return keccak256(toHex(label)).slice(0, 2 + 2 * bytes);
}

const vectors = Object.entries(structs).flatMap(([struct, text]) => {
  const fields = text.split(',').map((field) => {
    const [type, name] = field.split(' ');
    return { type, name };
  });
  return ['zero', 'max', 'typical', 'another'].map((style, index) => {
    const domain = domains[index % domains.length];
    const message = Object.fromEntries(
      fields.map(({ type, name }) => [name, value(type, style, `${style} ${struct}.${name}`)]),
    );
    const types = { [struct]: fields };
    return {
      struct,
      domain,
      message,
      structHash: hashStruct({ types, primaryType: struct, data: message }),
      digest: hashTypedData({
        domain: { name: 'Sundial', version: '1', ...domain },
        types,
        primaryType: struct,
        message,
      }),
    };
  });
});

writeFileSync(join(root, 'test', 'vectors', 'digests.json'), `${JSON.stringify(vectors, null, 1)}\n`);
process.stdout.write(`${vectors.length} vectors\n`);

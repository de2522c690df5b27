/**
 * The EIP-712 structs that Sundial signs, in one table. The same digest for every signer: chip, secure element,
 * phone wallet, hub, vault. Field order is the order of the type string and of the hash.
 */

type FieldType = 'address' | 'bytes16' | 'bytes32' | 'uint16' | 'uint32' | 'uint40' | 'uint48';

/** Field names and types of each struct, in order. */
export const STRUCTS = {
  Request: { terminal: 'address', amount: 'uint48', at: 'uint40', detail: 'bytes32' },
  Voucher: {
    channel: 'uint32',
    seq: 'uint32',
    spent: 'uint48',
    payee: 'address',
    paid: 'uint48',
    lanes: 'bytes16',
    request: 'bytes32',
  },
  Stream: {
    channel: 'uint32',
    seq: 'uint32',
    spent: 'uint48',
    payee: 'address',
    paid: 'uint48',
    request: 'bytes32',
    anchor: 'bytes32',
    tickValue: 'uint48',
    ticks: 'uint16',
  },
  Lease: {
    channel: 'uint32',
    payer: 'address',
    spentFrom: 'uint48',
    spendLimit: 'uint48',
    tapLimit: 'uint48',
    cap: 'uint48',
    guarantee: 'uint48',
    issuedAt: 'uint40',
    expiresAt: 'uint40',
    scope: 'bytes32',
  },
  LeaseRequest: { channel: 'uint32', seq: 'uint32', spent: 'uint48', at: 'uint40', scope: 'bytes32' },
  Terminal: { terminal: 'address', payee: 'address', expiresAt: 'uint40' },
  Synced: { terminal: 'address', at: 'uint40' },
  Member: { scope: 'bytes32', terminal: 'address', expiresAt: 'uint40' },
  HubKey: { key: 'address', from: 'uint40', until: 'uint40', epoch: 'uint32', signedAt: 'uint40' },
  HubKeyRevoked: { key: 'address', at: 'uint40' },
  Register: { hub: 'bytes32', device: 'address', payee: 'address', counter: 'uint32' },
  Login: { hub: 'bytes32', device: 'address', counter: 'uint32' },
  Receipt: { voucher: 'bytes32' },
  Acknowledgement: { entry: 'bytes32', position: 'uint48', at: 'uint40' },
  Kept: { entry: 'bytes32', position: 'uint48', at: 'uint40' },
  Unknown: { entry: 'bytes32', size: 'uint48', terminal: 'address', synced: 'uint40' },
  Credit: { voucher: 'bytes32', credited: 'uint48' },
  Released: { channel: 'uint32', payee: 'address', until: 'uint40' },
  ClearanceEnded: { request: 'bytes32' },
  Beacon: {
    at: 'uint40',
    height: 'uint48',
    revocations: 'bytes32',
    checkpoint: 'bytes32',
    nonce: 'bytes16',
  },
} as const satisfies Record<string, Record<string, FieldType>>;

export type StructName = keyof typeof STRUCTS;

type ValueOf<T extends FieldType> = T extends `uint${string}` ? number : Uint8Array;

/** The message that is signed as struct N; other properties are ignored. */
export type StructMessage<N extends StructName> = {
  readonly [K in keyof (typeof STRUCTS)[N]]: (typeof STRUCTS)[N][K] extends FieldType
    ? ValueOf<(typeof STRUCTS)[N][K]>
    : never;
};

/** EIP-712 type string, for example `Receipt(bytes32 voucher)`. */
export function typeString(name: StructName): string {
  const fields = Object.entries(STRUCTS[name]).map(([field, type]) => `${type} ${field}`);
  return `${name}(${fields.join(',')})`;
}

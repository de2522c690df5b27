/**
 * The messages once more, written down apart from protocol/wire: name, number, fields. A field is `name:type`, with
 * `?` when it may be null. Types: u8 to u48, a number of bytes, text<=n, list<type>. Whoever writes a codec in another
 * language can start from here; the test holds the real table to it.
 */
export const SPEC: Readonly<Record<string, readonly [number: number, fields: string]>> = {
  hello: [2, 'channel:u32 payer:20 key?:64 lease?:32'],
  request: [4, 'terminal:20 payee:20 amount:u48 at:u40 currency:text8 challenge:16 meter?:32 quote?:32'],
  streamRequest: [
    6,
    'terminal:20 payee:20 at:u40 currency:text8 challenge:16 meter?:32 quote?:32 tickValue:u48 ticks:u16',
  ],
  need: [8, 'what:u8'],
  certificate: [10, 'terminal:20 payee:20 expiresAt:u40 signature:64'],
  lease: [
    12,
    'channel:u32 payer:20 spentFrom:u48 spendLimit:u48 tapLimit:u48 cap:u48 guarantee:u48 issuedAt:u40 expiresAt:u40 scope:32 signature:64',
  ],
  voucher: [14, 'channel:u32 seq:u32 spent:u48 paid:u48 lanes:16 signature:64'],
  stream: [16, 'channel:u32 seq:u32 spent:u48 paid:u48 anchor:32 signature:64'],
  resolveVoucher: [
    18,
    'channel:u32 seq:u32 spent:u48 paid:u48 lanes:16 terminal:20 amount:u48 at:u40 detail:32 signature:64',
  ],
  resolveStream: [
    20,
    'channel:u32 seq:u32 spent:u48 paid:u48 anchor:32 tickValue:u48 ticks:u16 terminal:20 at:u40 detail:32 signature:64',
  ],
  tick: [22, 'channel:u32 seq:u32 k:u16 preimage:32'],
  tickAnswer: [24, 'channel:u32 seq:u32 k:u16'],
  receipt: [26, 'voucher:32 signature:64'],
  credit: [28, 'voucher:32 credited:u48 signature:64'],
  refusal: [30, 'code:u8 subject?:32 bound?:u48'],
  end: [32, 'channel:u32 seq:u32'],
  cancel: [34, 'request:32'],
  unknown: [36, 'entry:32 size:u48 terminal:20 synced:u40 signature:64'],
  clearanceQuestion: [
    38,
    'terminal:20 payee:20 amount:u48 at:u40 currency:text8 challenge:16 meter?:32 quote?:32',
  ],
  register: [
    40,
    'device:20 role:u8 channel?:u32 payee?:20 certificateExpiresAt?:u40 certificate?:64 entropyCertified:u8 counter:u32 signature:64 key?:64',
  ],
  collectedVoucher: [
    42,
    'channel:u32 seq:u32 spent:u48 paid:u48 payee:20 lanes:16 terminal:20 amount:u48 at:u40 detail:32 signature:64 key?:64 receipt?:64 credit?:64 lease?:32',
  ],
  collectedStream: [
    44,
    'channel:u32 seq:u32 spent:u48 paid:u48 payee:20 anchor:32 tickValue:u48 ticks:u16 terminal:20 at:u40 detail:32 signature:64 key?:64 receipt?:64 credit?:64 lease?:32',
  ],
  collectedTick: [46, 'channel:u32 seq:u32 stream:32 k:u16 preimage:32'],
  collectedCredit: [48, 'channel:u32 seq:u32 voucher:32 credited:u48 signature:64 byPayee:u8'],
  pack: [50, 'entries:list<bytes>'],
  acknowledgement: [52, 'entry:32 position:u48 at:u40 signature:64'],
  rejection: [54, 'entry:32 code:u8'],
  leaseRequest: [56, 'channel:u32 seq:u32 spent:u48 at:u40 scope:32 signature:64 key?:64'],
  beacon: [58, 'at:u40 height:u48 revocations:32 checkpoint:32 nonce:16 signature:64'],
  revocations: [60, 'channels:list<u32>'],
  hubKey: [62, 'key:20 from:u40 until:u40 epoch:u32 signedAt:u40 signature:64'],
  member: [64, 'scope:32 terminal:20 expiresAt:u40 signature:64'],
  statement: [66, 'channel:u32 seq:u32 lanes:list<lane>'],
  query: [68, 'channel:u32 seq:u32 entry:32 terminal?:20'],
  synced: [70, 'terminal:20 at:u40 signature:64'],
  settled: [71, 'channel:u32 payee:20 paid:u48 transaction:32'],
  login: [72, 'device:20 counter:u32 signature:64 key?:64'],
  timeQuestion: [74, 'nonce:16'],
  hubKeyRevoked: [76, 'key:20 at:u40 signature:64'],
  released: [78, 'channel:u32 payee:20 until:u40 signature:64'],
  kept: [80, 'entry:32 position:u48 at:u40 signature:64'],
  clearanceRequest: [
    82,
    'channel:u32 seq:u32 spent:u48 askedAt:u40 terminal:20 amount:u48 at:u40 detail:32 signature:64 key?:64',
  ],
  clearanceEnded: [84, 'request:32 signature:64'],
};

export interface Field {
  readonly name: string;
  readonly type: string;
  readonly optional: boolean;
}

export function fieldsOf(name: string): Field[] {
  return SPEC[name]![1].split(' ').map((text) => {
    const [field, type] = text.split(':') as [string, string];
    return { name: field.replace('?', ''), type, optional: field.endsWith('?') };
  });
}

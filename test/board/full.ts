/**
 * Books at every limit that a board promises, as records of its journal: what a device keeps at most. The vouchers in them
 * are nobody's: no signature is checked when a journal is read back.
 */
import { lanesMax, outboxMax, payerLanesMax } from '../../hardware/boards/mps2-an386/limits.ts';
import { amount, channelId, position, seconds, seq } from '../../protocol/integers.ts';
import {
  CERTIFICATES_MAX,
  HUB_KEYS_MAX,
  PAYER_OUTBOX_MAX,
  REVOCATIONS_MAX,
  REVOKED_KEYS_MAX,
  UNCONFIRMED_MAX,
} from '../../protocol/limits.ts';
import { type PayerRecord, payerRecords } from '../../protocol/machines/payer/books.ts';
import { type TerminalRecord, terminalRecords } from '../../protocol/machines/terminal/books.ts';

const bytes = (length: number, n: number, kind: number): Uint8Array => {
  const all = new Uint8Array(length).fill(kind);
  all[0] = n & 255;
  all[1] = n >> 8;
  return all;
};
const range = <T>(count: number, one: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => one(index + 1));

/** A plain voucher of 1 to payee `n`, with the request that it pays. */
const paid = (n: number, channel: number, at: number) => {
  const request = { terminal: bytes(20, n, 2), amount: amount(1), at: seconds(at), detail: bytes(32, n, 3) };
  const voucher = {
    kind: 'voucher',
    channel: channelId(channel),
    seq: seq(n),
    spent: amount(n),
    payee: bytes(20, n, 4),
    paid: amount(1),
    lanes: new Uint8Array(16),
    request: bytes(32, n, 5),
  } as const;
  return { digest: bytes(32, n, 6), voucher, request };
};

/** Keys of a hub that are known beside the present one, and some that it took back. */
const hubKeys = (now: number) => [
  ...range(HUB_KEYS_MAX - 1, (n) => ({
    type: 'hubKey' as const,
    address: bytes(20, n, 7),
    from: seconds(now - 1000),
    until: seconds(now + 900_000 + n),
    epoch: 0,
    signedAt: seconds(now - 2000),
  })),
  ...range(REVOKED_KEYS_MAX, (n) => ({
    type: 'hubKeyRevoked' as const,
    address: bytes(20, n, 8),
    at: seconds(now + 800_000),
  })),
];

/** What stands in a payer's journal beside its channel, present hub key and lease. One payment more fits. */
export function fullPayer(now: number, channel: number): Uint8Array[] {
  const records: PayerRecord[] = hubKeys(now);
  const lanes = payerLanesMax - 1;
  const open = UNCONFIRMED_MAX - 1;
  for (let n = 1; n <= CERTIFICATES_MAX; n++)
    records.push({
      type: 'certificate',
      terminal: bytes(20, n, 2),
      payee: bytes(20, n, 4),
      expiresAt: seconds(now + 500_000),
    });
  for (let n = 1; n <= lanes; n++) {
    const one = paid(n, channel, now - 5000);
    records.push({ type: 'intent', ...one });
    const copied = n > lanes - open - PAYER_OUTBOX_MAX;
    const answer = copied && { signature: bytes(64, n, 9), receipt: bytes(64, n, 10) };
    // The first few were written off, the last few have no answer.
    if (n <= UNCONFIRMED_MAX) records.push({ type: 'writtenOff', digest: one.digest });
    else if (n <= lanes - open) records.push({ type: 'confirmed', digest: one.digest, ...answer });
  }
  return records.map(payerRecords.encode);
}

/** What stands in a till's journal beside its present hub key. `free`: sales that still fit. */
export function fullTerminal(now: number, free = 1): Uint8Array[] {
  const records: TerminalRecord[] = hubKeys(now);
  const channels = range(REVOCATIONS_MAX, (n) => 1_000_000 + n);
  records.push({ type: 'revoked', at: seconds(now - 4000), channels });
  for (let n = 1; n <= lanesMax; n++) {
    const one = paid(n, 1000 + n, now - 5000 + n);
    const [signature, receipt] = [bytes(64, n, 9), bytes(64, n, 10)];
    records.push({ type: 'answered', payer: bytes(20, n, 11), ...one, signature, receipt });
    if (n <= lanesMax - outboxMax + free)
      records.push({ type: 'acknowledged', entry: one.digest, position: position(n) });
  }
  return records.map(terminalRecords.encode);
}

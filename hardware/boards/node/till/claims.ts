/**
 * What a terminal's payee can carry to L2 by itself: payments that wait in the device's outbox, and of a till what its books
 * keep of those that the hub acknowledged. Of each customer the newest says all (rule 8: it only raises the lane), so that
 * at most two are named: the newest that was acknowledged, and the newest of all.
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { toHex } from '../../../../protocol/bytes.ts';
import { collectedMessage } from '../../../../protocol/machines/collected.ts';
import { topOf } from '../../../../protocol/vouchers.ts';
import { encodeMessage } from '../../../../protocol/wire/messages.ts';
import { type DeviceFolder, terminalBooksOf } from '../cli/device-folder.ts';
import { readTill, tillLog } from './file.ts';
import { acknowledgement } from './schema.ts';

/** One payment that can be claimed. */
export const claim = z.strictObject({
  /** The collected voucher or stream, in base64url. */
  proof: z.base64url(),
  /** Of a stream: how many ticks were revealed, and the last preimage. */
  reveal: z.strictObject({ k: z.int().min(1), preimage: z.string().regex(/^0x[0-9a-f]{64}$/) }).optional(),
  acknowledgement: acknowledgement.optional(),
});
export type Claim = z.output<typeof claim>;

/** The file that `sundial claim` writes and reads. */
export const claimsFile = z.strictObject({
  version: z.literal(1),
  chainId: z.int().positive(),
  vault: z.string().regex(/^0x[0-9a-f]{40}$/),
  terminal: z.string().regex(/^0x[0-9a-f]{40}$/),
  payee: z.string().regex(/^0x[0-9a-f]{40}$/),
  claims: z.array(claim),
});
export type ClaimsFile = z.output<typeof claimsFile>;

/** What a terminal holds, whether its program runs or not. Changes nothing. Throws `till_book_damaged`, `no_device`. */
export function claimsOf(folder: DeviceFolder): ClaimsFile {
  const { file, path, address } = folder;
  const { outbox } = terminalBooksOf(folder);
  const found: { readonly channel: number; readonly top: number; readonly claim: Claim }[] = [];
  const proofOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
  for (const entry of outbox) {
    if (entry.kind !== 'voucher' || entry.collected.receipt === undefined) continue;
    const { collected, channel } = entry;
    const tick = outbox.find((other) => other.kind === 'tick' && toHex(other.stream) === toHex(entry.entry));
    const reveal = tick?.kind === 'tick' ? { k: tick.k, preimage: toHex(tick.preimage) } : undefined;
    const proof = proofOf(encodeMessage(collectedMessage(collected)));
    const top = topOf(collected.voucher, reveal?.k ?? 0);
    found.push({ channel, top, claim: { proof, ...(reveal && { reveal }) } });
  }
  const log = tillLog(path);
  const sales = existsSync(log) ? readTill(log).books.newest() : [];
  for (const { payment, acknowledgement: word } of sales)
    if (payment !== undefined)
      found.push({
        channel: payment.channel,
        top: payment.paid,
        claim: { proof: payment.proof, ...(word && { acknowledgement: word }) },
      });
  const newest = new Map<string, (typeof found)[number]>();
  const keep = (key: string, one: (typeof found)[number]): void => {
    if (one.top > (newest.get(key)?.top ?? -1)) newest.set(key, one);
  };
  for (const one of found) {
    if (one.claim.acknowledgement !== undefined) keep(`acknowledged ${one.channel}`, one);
    else keep(`waiting ${one.channel}`, one);
  }
  const claims = [...newest.entries()]
    .filter(([key, { channel, top }]) => {
      const acknowledged = newest.get(`acknowledged ${channel}`)?.top ?? -1;
      return key.startsWith('acknowledged') || top > acknowledged;
    })
    .map(([, { claim }]) => claim);
  const { chainId, vault } = file;
  return { version: 1, chainId, vault, terminal: toHex(address), payee: file.payee!, claims };
}

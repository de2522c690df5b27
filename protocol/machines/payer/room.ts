/** How many bytes of a bank a payer's books take when every limit is reached, and how many lanes a bank has room for. */
import {
  CERTIFICATES_MAX,
  HUB_KEYS_MAX,
  LANES_MAX,
  PAYER_OUTBOX_MAX,
  REVOKED_KEYS_MAX,
  UNCONFIRMED_MAX,
} from '../../limits.ts';
import { checkRoom, type Room, slackOf } from '../room.ts';
import { payerRecords } from './books.ts';

/** Everything but the lanes, each list at its limit. */
function fixedBytes(room: Room): number {
  const of = (type: Parameters<typeof payerRecords.sizeMax>[0]): number =>
    room.cost(payerRecords.sizeMax(type));
  return (
    of('channelOpened') +
    of('head') +
    HUB_KEYS_MAX * of('hubKey') +
    REVOKED_KEYS_MAX * of('hubKeyRevoked') +
    of('lease') +
    of('clearedDay') +
    CERTIFICATES_MAX * of('certificate') +
    UNCONFIRMED_MAX * Math.max(of('unconfirmedVoucher'), of('unconfirmedTick')) +
    UNCONFIRMED_MAX * of('writtenOffVoucher') +
    of('openStream') +
    PAYER_OUTBOX_MAX * of('copy') +
    slackOf(room, Math.max(payerRecords.sizeMax('intent'), payerRecords.sizeMax('clearedIntent')))
  );
}

/** Bytes that a payer with so many lanes takes when all of its limits are reached. */
export const payerBytes = (room: Room, lanesMax: number): number =>
  fixedBytes(room) + lanesMax * room.cost(payerRecords.sizeMax('lane'));

/** The most lanes that a bank has room for. */
export const payerLanesMax = (room: Room): number =>
  Math.min(LANES_MAX, Math.floor((room.bytes - fixedBytes(room)) / room.cost(payerRecords.sizeMax('lane'))));

/** Throws `flash_too_small` when a bank does not hold so many lanes beside everything else. */
export function checkPayerRoom(room: Room, lanesMax: number): void {
  checkRoom(room, payerBytes(room, lanesMax), `${lanesMax} lanes and what stands beside them`);
}

/** The payer as a table. It always stands at a link; whom it hears is the walk's choice. */
import { toHex } from '../../../protocol/bytes.ts';
import {
  applyRecord,
  EMPTY_PAYER,
  type PayerBooks,
  type PayerRecord,
  snapshot,
} from '../../../protocol/machines/payer/books.ts';
import { payerAfterPowerUp, type PayerEvent, payerStep } from '../../../protocol/machines/payer/payer.ts';
import type { PayerSettings, PayerState } from '../../../protocol/machines/payer/state.ts';
import { amount } from '../../../protocol/integers.ts';
import { tickEntry } from '../../../protocol/vouchers.ts';
import type { Drop } from '../drops.ts';
import { CHANNEL, type Scene } from '../scene.ts';
import { standInSignature } from '../suite.ts';
import { type BooksOf, carryOut, DeviceTable, readBack, type Trail } from './device.ts';

/** How often each request was taken: `hash` to count. */
export interface PayerGhost {
  readonly taken: Readonly<Record<string, number>>;
}

export type PayerTable = DeviceTable<PayerState, PayerBooks, PayerRecord, PayerGhost, PayerEvent>;

const SETTINGS: Omit<PayerSettings, 'hub' | 'timing'> = {
  role: 'car',
  scheme: 'secp256k1',
  tapMax: amount(1000),
  entropyCertified: true,
};

const BOOKS: BooksOf<PayerBooks, PayerRecord> = { empty: EMPTY_PAYER, snapshot, apply: applyRecord };

export function payerTable(scene: Scene, drop: Drop): { table: PayerTable; first: number } {
  const context = { signing: scene.signing, self: scene.payer };
  const settings: PayerSettings = { ...scene.site, ...SETTINGS };
  const step = (state: PayerState, event: PayerEvent) => payerStep(context, settings, state, event, 0);
  const signed = (digest: Uint8Array): PayerEvent => ({
    type: 'signed',
    digest,
    signature: standInSignature(scene.payer, digest),
  });
  const keepsCopies = scene.config.payerHub === true;
  const repeats = (scene.config.repeats ?? 1) > 1;
  const run = (state: PayerState, event: PayerEvent) => carryOut(step, signed, state, event);
  const table: PayerTable = new DeviceTable({
    run: (state, event) => {
      const ran = drop.payer?.(run, state, event) ?? run(state, event);
      for (const one of ran.trail)
        if (one.type === 'persist' && one.record.type === 'intent')
          scene.note(one.record.digest, one.record.voucher, one.record.request);
      return ran;
    },
    apply: applyRecord,
    booksOf: (state) => state.books,
    reboot: (books) => run(payerAfterPowerUp(readBack(BOOKS, books)), { type: 'boot' }).state,
    normal: ({ books, volatile }) => ({
      books: keepsCopies ? books : { ...books, outbox: [] },
      volatile: {
        ...volatile,
        // It stands at a link at once after leaving one.
        linkUp: true,
        // Read only by the resend clock, which meeting a terminal stands for.
        peer: undefined,
        sentAtMs: 0,
        uploadedAtMs: 0,
        inFlight: 0,
        askedAtMs: 0,
        askPauseMs: 0,
        hubConnected: false,
        // Recomputed from the seed when needed.
        chain: undefined,
        signatures: keepsCopies ? volatile.signatures : [],
        lastRequest: repeats ? volatile.lastRequest : undefined,
        pending: volatile.pending && { ...volatile.pending, random: SEED },
      },
    }),
    remember: (ghost, _event, trail) => remember(ghost, trail),
    emit: (message) => scene.emit(message, true),
  });
  let books = applyRecord(EMPTY_PAYER, { type: 'channelOpened', channel: CHANNEL });
  books = applyRecord(books, { type: 'hubKey', ...scene.hubKey });
  books = applyRecord(books, { ...scene.lease, signer: scene.hub });
  scene.terminals.forEach((_, index) => {
    const { terminal, payee, expiresAt } = scene.certificate(index);
    books = applyRecord(books, { type: 'certificate', terminal, payee, expiresAt });
  });
  const booted = run(payerAfterPowerUp(books), { type: 'boot' }).state;
  return { table, first: table.number(booted, { taken: {} }) };
}

/** Randomness for streams: one value is enough, since a request is never paid as two different streams. */
export const SEED = new Uint8Array(32).fill(0x55);

function remember(ghost: PayerGhost, trail: readonly Trail<PayerRecord>[]): PayerGhost {
  let { taken } = ghost;
  for (const one of trail) {
    if (one.type !== 'persist' || one.record.type !== 'intent') continue;
    const key = toHex(one.record.voucher.request);
    taken = { ...taken, [key]: (taken[key] ?? 0) + 1 };
  }
  return { taken };
}

/** May this request still be delivered? Once more than allowed would make the walk endless. */
export function takes(
  { state, ghost }: { state: PayerState; ghost: PayerGhost },
  request: string,
  repeats: number,
): boolean {
  if ((ghost.taken[request] ?? 0) < repeats) return true;
  return state.books.unconfirmed.some(
    (entry) => entry.kind === 'voucher' && toHex(entry.voucher.request) === request,
  );
}

/** Everything that was promised has its answer. */
export const payerResolved = ({ books, volatile }: PayerState): boolean =>
  books.unconfirmed.length === 0 &&
  (books.stream === undefined || volatile.answered >= books.stream.revealed) &&
  volatile.pending === undefined;

/** What is wrong with the payer's own numbers, or undefined (rule 1). */
export function payerFault({ books }: PayerState): string | undefined {
  const sum = books.lanes.reduce((total, lane) => total + lane.paid, 0);
  if (sum !== books.spent) return `P3 the lanes hold ${sum}, spent is ${books.spent}`;
  if (books.spent > books.lease!.spendLimit) return `P3 spent ${books.spent} is above the limit`;
  return undefined;
}

/** Digests that the hub's acknowledgement would settle for the payer. */
export function awaitedByPayer(scene: Scene, { books }: PayerState): string[] {
  const waiting = books.unconfirmed.map((entry) =>
    entry.kind === 'voucher'
      ? entry.digest
      : tickEntry(scene.signing.suite, entry.stream, entry.k, entry.preimage),
  );
  return [...waiting, ...books.outbox.map((copy) => copy.digest)].map(toHex);
}

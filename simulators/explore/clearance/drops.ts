/**
 * Guards of a clearance, broken from outside one at a time: a step is given a state in which something is hidden, or its
 * effects are changed. Nothing in protocol/ or hub/ knows of this.
 */
import { equalBytes } from '../../../protocol/bytes.ts';
import { amount } from '../../../protocol/integers.ts';
import type { PayerEvent } from '../../../protocol/machines/payer/payer.ts';
import type { PayerState } from '../../../protocol/machines/payer/state.ts';
import type { TerminalState } from '../../../protocol/machines/terminal/state.ts';
import type { TerminalEvent } from '../../../protocol/machines/terminal/terminal.ts';
import type { IntakeEvent, IntakeState } from '../../../hub/intake/state.ts';
import { trieEntries, trieSet } from '../../../hub/intake/trie.ts';
import type { ChannelFacts } from '../../../hub/intake/state.ts';
import { decodeOwn } from '../../../protocol/wire/messages.ts';
import type { Done } from './trail.ts';

export interface ClearanceDrop {
  readonly rule: string;
  /** A configuration in which the walk without it fails. */
  readonly shownBy: string;
  readonly payer?: (
    run: (state: PayerState, event: PayerEvent) => Done<PayerState>,
    state: PayerState,
    event: PayerEvent,
  ) => Done<PayerState> | undefined;
  readonly terminal?: (
    run: (state: TerminalState, event: TerminalEvent) => Done<TerminalState>,
    state: TerminalState,
    event: TerminalEvent,
  ) => Done<TerminalState> | undefined;
  /** What the hub decides by, in place of what it knows. */
  readonly hub?: (state: IntakeState, event: IntakeEvent) => IntakeState | undefined;
  /** The payer has no limit for a day. */
  readonly noDay?: boolean;
  /** Clearances are signed before their reservation is durable. */
  readonly signsEarly?: boolean;
  /** A voucher in the ledger frees nothing. */
  readonly keepsSold?: boolean;
  /** Reservations are free again when the clearance ends. */
  readonly freesAtEnd?: boolean;
  /** A terminal's Synced of any time frees what is reserved at it. */
  readonly freesOnSynced?: boolean;
}

export const NO_CLEARANCE_DROP: ClearanceDrop = { rule: 'none', shownBy: 'none' };

const opened = (state: TerminalState) => state.volatile.open;

export const CLEARANCE_DROPS: Readonly<Record<string, ClearanceDrop>> = {
  asksFirst: {
    rule: '19, a terminal takes a voucher above the limits with no clearance',
    shownBy: 'r6',
    terminal: (run, state, event) => {
      if (event.type !== 'message' || event.message.type !== 'resolveVoucher') return undefined;
      const leases = state.volatile.leases.map((held) => ({
        ...held,
        cap: 1000,
        lease: { ...held.lease, tapLimit: amount(1000) },
      }));
      const ran = run({ ...state, volatile: { ...state.volatile, leases } }, event);
      return {
        ...ran,
        state: { ...ran.state, volatile: { ...ran.state.volatile, leases: state.volatile.leases } },
      };
    },
  },
  thisRequest: {
    rule: '19, a terminal takes the clearance of another request for the open one',
    shownBy: 'r8',
    terminal: (_run, state, event) => {
      const open = opened(state);
      if (open === undefined || event.type !== 'hubMessage' || event.message.type !== 'lease')
        return undefined;
      const { message: lease } = event;
      if (lease.cap !== 0 || equalBytes(lease.scope, open.hash) || lease.tapLimit < open.request.amount)
        return undefined;
      const { channel, payer } = lease;
      const asked = new Uint8Array(32);
      const held = {
        lease: { ...lease, scope: open.hash },
        digest: asked,
        signer: state.volatile.leases[0]!.signer,
        until: lease.expiresAt,
        isWide: false,
        cap: 0,
      };
      const cleared = { ...open, clearing: { channel, payer, asked, held } };
      return { state: { ...state, volatile: { ...state.volatile, open: cleared } }, trail: [] };
    },
  },
  untilEnd: {
    rule: '19, a terminal takes a voucher after its clearance ended',
    shownBy: 'r9',
    terminal: (run, state, event) => {
      const open = opened(state);
      const held = open?.clearing?.held;
      if (open?.clearing === undefined || held === undefined || event.type !== 'message') return undefined;
      if (event.message.type !== 'resolveVoucher') return undefined;
      const later = { ...held, until: (2 ** 39) as never };
      const changed = { ...open, clearing: { ...open.clearing, held: later } };
      return run({ ...state, volatile: { ...state.volatile, open: changed } }, event);
    },
  },
  dropThenRelease: {
    rule: '19, a terminal says that a request is over while it is still open',
    shownBy: 'r6',
    terminal: (run, state, event) => {
      if (event.type !== 'hubMessage' || event.message.type !== 'lease') return undefined;
      const ran = run(state, event);
      if (ran.state.volatile.open?.clearing?.held === undefined) return undefined;
      return { ...ran, trail: [...ran.trail, ...run(ran.state, { type: 'cancel' }).trail] };
    },
  },
  oneCleared: {
    rule: '19, more than one cleared sale of a terminal waits for its acknowledgement, and hub and terminal allow it',
    shownBy: 'r10',
    terminal: (run, state, event) => {
      const outbox = state.books.outbox;
      if (outbox.length === 0 || event.type === 'hubMessage') return undefined;
      const ran = run({ ...state, books: { ...state.books, outbox: [] } }, event);
      const books = { ...ran.state.books, outbox: [...outbox, ...ran.state.books.outbox] };
      return { ...ran, state: { ...ran.state, books } };
    },
    hub: (state, event) =>
      isNew(state, event)
        ? {
            ...state,
            books: {
              ...state.books,
              clearances: { ...state.books.clearances, held: undefined, channels: undefined },
            },
          }
        : undefined,
  },
  durableFirst: {
    rule: '2, the hub signs a clearance before its reservation is durable',
    shownBy: 'r7',
    signsEarly: true,
  },
  freeEnough: {
    rule: '19, the hub reserves more than is free',
    shownBy: 'r6',
    hub: (state, event) => {
      if (event.type !== 'message') return undefined;
      const more = (facts: ChannelFacts): ChannelFacts => ({ ...facts, spendable: amount(1000) });
      return { ...state, channels: mapTrie(state.channels, more) };
    },
  },
  onceARequest: {
    rule: '19, the hub clears a request again that is over',
    shownBy: 'r1',
    hub: (state, event) =>
      isNew(state, event)
        ? {
            ...state,
            books: {
              ...state.books,
              clearances: { ...state.books.clearances, over: undefined, overBefore: undefined },
            },
          }
        : undefined,
  },
  soldIsFree: { rule: '19, a sold reservation stays', shownBy: 'r1', keepsSold: true },
  offlineMax: {
    rule: '19, the hub frees a reservation when the clearance ends, not when nobody can bring a voucher any more',
    shownBy: 'r9',
    freesAtEnd: true,
  },
  syncedUpTo: {
    rule: '19, the hub frees a reservation on a Synced of before the request',
    shownBy: 'r6',
    freesOnSynced: true,
  },
  veryRequest: {
    rule: '19, a payer pays above its limits on a clearance of another request',
    shownBy: 'r5',
    payer: (run, state, event) => {
      const { clearing } = state.volatile;
      if (clearing?.lease === undefined || event.type !== 'message' || event.message.type !== 'request')
        return undefined;
      const asked = run(
        { ...state, volatile: { ...state.volatile, clearing: undefined } },
        {
          type: 'message',
          message: { ...event.message, type: 'clearanceQuestion' },
        },
      ).state.volatile.clearing;
      if (asked === undefined) return undefined;
      return run(
        { ...state, volatile: { ...state.volatile, clearing: { ...asked, lease: clearing.lease } } },
        event,
      );
    },
  },
  withinTheDay: { rule: "19, a payer pays above its owner's limit for a day", shownBy: 'r4', noDay: true },
  personSaysYes: {
    rule: '19, a payer pays above the limit of its owner with no yes',
    shownBy: 'r11',
    payer: (run, state, event) => {
      const ran = run(state, event);
      const { clearing } = ran.state.volatile;
      if (clearing === undefined || clearing.confirmed) return undefined;
      const said = run(ran.state, { type: 'confirm', request: clearing.hash, yes: true });
      return { state: said.state, trail: [...ran.trail, ...said.trail] };
    },
  },
};

/** Is the hub asked about a request for which it holds nothing? */
function isNew({ books }: IntakeState, event: IntakeEvent): boolean {
  if (event.type !== 'message') return false;
  const message = decodeOwn(event.bytes);
  if (message.type !== 'clearanceRequest') return false;
  const held = trieEntries(books.clearances.held).flatMap(([, reservations]) => reservations);
  return !held.some(({ at, terminal }) => at === message.at && equalBytes(terminal, message.terminal));
}

/** A trie of one channel with its value changed. */
function mapTrie(
  trie: IntakeState['channels'],
  change: (facts: ChannelFacts) => ChannelFacts,
): IntakeState['channels'] {
  return trieEntries(trie).reduce<IntakeState['channels']>(
    (next, [key, facts]) => trieSet(next, key, change(facts)),
    undefined,
  );
}

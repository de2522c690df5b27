/** The pages that tools on this machine read: what each question is answered with. */
import { toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { ChannelId } from '../../protocol/integers.ts';
import type { Certificate } from '../crypto/hub-keys.ts';
import { channelBook } from '../intake/books.ts';
import { type Entry, heldEntries } from '../intake/state.ts';
import type { Journal } from '../ledger/journal.ts';
import { pageEntriesMax, unregisteredShownMax } from '../limits.ts';
import { healthOf } from './health.ts';
import { claimViews, leaseViews, type OfficeSources } from './office.ts';
import type { Parts } from './parts.ts';
import type { StatusRoutes } from './status.ts';
import { channelViews, creditViews, entryViews } from './views.ts';

export type HubStatus = ReturnType<typeof statusOf>;

/** The JSON pages by path. */
export function jsonRoutes(parts: Parts): StatusRoutes['json'] {
  const { intake, registry, journal } = parts;
  return {
    '/status': () => statusOf(parts),
    '/channels': () => channelViews(intake.state, intake.durableBooks, registry.state),
    '/entries': (query) => {
      const channel = Number(query.get('channel')) as ChannelId;
      const { entries } = channelBook(intake.durableBooks, channel);
      const page: Entry[] = [];
      for (const entry of entries.from(Number(query.get('seq') ?? 0)))
        if (page.push(entry) === pageEntriesMax) break;
      return entryViews(intake.state, page);
    },
    '/credits': (query) =>
      creditViews(intake.state, intake.durableBooks, (query.get('payee') ?? '').toLowerCase()),
    '/claims': (query) =>
      claimViews(officeSources(parts), (query.get('payee') ?? '').toLowerCase(), query.get('after') ?? ''),
    '/leases': (query) => leaseViews(officeSources(parts), (query.get('payee') ?? '').toLowerCase()),
    '/devices': () => registry.state.devices,
    '/proof': (query) => proofOf(journal, Number(query.get('position'))),
    '/hub-keys': () => hubKeysOf(parts),
  };
}

const officeSources = ({ config, signing, keys, intake, registry, scopes }: Parts): OfficeSources => ({
  signing,
  context: config,
  key: keys,
  state: intake.state,
  books: intake.durableBooks,
  registry: registry.state,
  scopes,
});

/** The keys that the hub signs with: which one now, for how long there is one, and what the root said. */
export function hubKeysOf({ keys, address }: Parts) {
  const words = keys.words().map((word) => {
    if (word.type === 'hubKeyRevoked') return { key: toHex(word.key), revokedAt: word.at };
    const { key, from, until, epoch } = word as Certificate;
    return { key: toHex(key), from, until, epoch };
  });
  return { address: address(), secondsLeft: keys.left, words };
}

function proofOf(journal: Journal, position: number) {
  if (!Number.isInteger(position) || position < 0 || position >= journal.tree.size) {
    throw new SundialError('proof_range', `no record at position ${position}`, {
      severity: 'call',
      remedy: `Ask for a position below ${journal.tree.size}.`,
    });
  }
  const { size, hash } = journal.checkpoint();
  return {
    position,
    size,
    checkpoint: toHex(hash),
    root: toHex(journal.tree.root(size)),
    path: journal.tree.proof(position, size).map(toHex),
  };
}

/** The hub at a glance. */
export function statusOf(parts: Parts) {
  const { config, journal, intake, watch, settle } = parts;
  const { open, finished } = settle.history;
  const oldest = open[0]?.newest;
  const books = intake.durableBooks;
  const waiting = settle.lanes.waiting();
  return {
    ...healthOf(parts),
    name: config.name,
    address: parts.address(),
    keySecondsLeft: parts.keys.left,
    mqtt: parts.mqttUrl,
    crypto: parts.crypto,
    ledger: { size: journal.ledger.size, phase: journal.ledger.phase },
    vouchers: books.vouchers,
    index: { entries: books.indexed, held: heldEntries(books), max: intake.indexedMax },
    revoked: books.revoked,
    counts: { ...intake.counts },
    devices: { online: parts.online.size },
    broker: { connected: parts.ingest.connected, dropped: parts.ingest.dropped },
    chain: {
      vault: config.chain.vault,
      chainId: config.chain.chainId,
      height: watch.newest?.height,
      at: watch.newest?.at,
      finalHeight: watch.finalHeight,
      trouble: parts.rounds.trouble,
      nodes: parts.l2.nodes(),
    },
    worker: parts.worker && { isElected: parts.worker.isElected, trouble: parts.worker.trouble },
    registry: parts.carrier && {
      waiting: parts.carrier.waiting.slice(0, unregisteredShownMax),
      anchored: parts.carrier.anchored,
      actsToday: parts.carrier.actsToday,
      trouble: parts.rounds.carryTrouble,
    },
    settlement: {
      waitingLanes: waiting.lanes,
      smallLanes: waiting.small,
      unregistered: waiting.unregistered.slice(0, unregisteredShownMax),
      trouble: parts.rounds.settleTrouble,
      open: oldest && {
        batch: oldest.batch,
        transaction: toHex(oldest.transaction),
        rows: oldest.rows.length,
      },
      inFlight: open.length,
      finished: finished.map(({ batch, transaction, rows, outcome }) => ({
        batch,
        transaction: toHex(transaction),
        rows,
        state: (['mined', 'reverted', 'replaced'] as const)[outcome.state - 1],
        gas: outcome.gas,
        block: outcome.block,
      })),
      refused: [...settle.refused].map(([row, { reason, attempts }]) => ({ row, reason, attempts })),
    },
  };
}

/**
 * Rule 5, looked at from outside: whatever a terminal accepts or delivers stands on a lease that the hub signed for the
 * channel, or a thief of its key as long as the terminal has not heard that the key is taken back, inside its window and its limits, while it lives; within the terminal's caps; and not on a channel that the
 * terminal has heard to be revoked. Time is the world's: a terminal whose clock was tampered with may be off by
 * clockError, as rule 7 allows.
 *
 * Not checked here: sales that the hub cleared but for their end (`cleared-is-paid.ts`), whether the hub should have signed a
 * lease (`paid-or-attributed.ts` bounds what it lent), the cap over all channels, tick values, and a revocation that the
 * terminal has not heard of.
 */
import { bytesKey } from '../../hub/intake/trie.ts';
import type { RecordOf } from '../../hub/ledger/records.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import { CHANNEL_CAP_TAPS } from '../../protocol/limits.ts';
import type { TerminalBooks } from '../../protocol/machines/terminal/books.ts';
import { requestHash, spentTop } from '../../protocol/vouchers.ts';
import type { TerminalActor } from '../fleet/actors.ts';
import type { AnyDevice } from '../fleet/device.ts';
import { type MakeChecker, takenBy } from './checker.ts';

/** Two whole seconds rounded apart, and 50 ppm of a few hours. */
const STEADY_SECONDS = 5;

type Lease = Pick<
  RecordOf<'lease'>,
  'channel' | 'spentFrom' | 'spendLimit' | 'tapLimit' | 'issuedAt' | 'expiresAt' | 'scope'
>;

interface Taken {
  readonly channel: number;
  /** Where the channel's spent stood before it, and stands with it. */
  readonly from: number;
  readonly to: number;
  /** What one tap moved; 0 for a tick. */
  readonly tap: number;
  /** Hash of its request, for a clearance that the hub gave for it. */
  readonly request?: Uint8Array;
}

export const withinTheLease: MakeChecker = (simulation, report) => {
  const leases = new Map<number, Lease[]>();
  /** Of a thief of a hub key: they count at a terminal until it has stored that the key is taken back. */
  const stolen = new Map<number, Lease[]>();
  const counting = ({ device }: TerminalActor, channel: number): readonly Lease[] => {
    const { revoked } = device.storedBooks.hub;
    const isOver = revoked.some(({ address }) => equalBytes(address, simulation.root.spare.address));
    // What was decided before may be said after, when the key is slow.
    const byThief = isOver && device.key.lateMs === 0 ? [] : (stolen.get(channel) ?? []);
    return [...(leases.get(channel) ?? []), ...byThief];
  };
  const clearances = new Map<string, RecordOf<'clearance'>>();
  const tampered = new Set<AnyDevice>();

  const errorOf = (device: AnyDevice): number => {
    if (!device.clockRuns || device.clockOffset !== 0) tampered.add(device);
    // What was decided in time is said when the key has signed the receipt.
    const signing = Math.ceil(device.key.lateMs / 1000);
    return STEADY_SECONDS + signing + (tampered.has(device) ? simulation.timing.clockError : 0);
  };

  const check = (terminal: TerminalActor, { channel, from, to, tap, request }: Taken): void => {
    const { device } = terminal;
    const { name, storedBooks: books } = device;
    const now = simulation.world.nowSeconds;
    const error = errorOf(device);
    // What the hub cleared is held there: no offline limit bounds it, only its own end does.
    const cleared = request && clearances.get(bytesKey(request));
    if (cleared !== undefined) {
      if (now > cleared.expiresAt + error)
        report(
          `${name} took a cleared voucher of channel ${channel} ${now - cleared.expiresAt} s after its end`,
        );
      return;
    }
    const own = simulation.fleet.scopeOf(terminal.merchant.district);
    const bounded = counting(terminal, channel).filter(
      (lease) =>
        from >= lease.spentFrom &&
        to <= lease.spendLimit &&
        tap <= lease.tapLimit &&
        (own === undefined || equalBytes(lease.scope, own)),
    );
    if (bounded.length === 0)
      return report(`${name} took ${from} to ${to} on channel ${channel}, which no lease allows`);
    const alive = bounded.filter(
      ({ issuedAt, expiresAt }) =>
        now <= expiresAt + error && now >= issuedAt - simulation.timing.clockError - error,
    );
    if (alive.length === 0) {
      const last = Math.max(...bounded.map(({ expiresAt }) => expiresAt));
      return report(`${name} took a voucher of channel ${channel} ${now - last} s after its lease`);
    }
    if (books.revoked.some((revoked) => revoked === channel))
      return report(`${name} took a voucher of channel ${channel}, which it knows to be revoked`);
    const cap = Math.max(...alive.map(({ tapLimit }) => tapLimit * CHANNEL_CAP_TAPS));
    const owed = exposure(books, channel);
    if (owed > cap) report(`${name} lets channel ${channel} owe ${owed}, above the cap of ${cap}`);
  };

  return {
    name: 'within the lease',
    leased(lease) {
      leases.set(lease.channel, [...(leases.get(lease.channel) ?? []), lease]);
    },
    lentByThief(lease) {
      stolen.set(lease.channel, [...(stolen.get(lease.channel) ?? []), lease]);
    },
    cleared(clearance) {
      clearances.set(bytesKey(clearance.request), clearance);
    },
    terminalNotice(terminal, notice) {
      const { storedBooks: books } = terminal.device;
      if (notice.type === 'approved' || notice.type === 'streamOpened') {
        const taken = takenBy(terminal, notice.voucher);
        if (taken === undefined) return;
        const { voucher, request } = taken;
        const from = voucher.spent - request.amount;
        const hash = clearances.size > 0 && requestHash(simulation.signing, request);
        check(terminal, {
          channel: notice.channel,
          from,
          to: voucher.spent,
          tap: request.amount,
          ...(hash && { request: hash }),
        });
      }
      if (notice.type === 'deliver') {
        const stream = books.lanes.find((lane) => lane.channel === notice.channel)?.stream;
        if (stream === undefined) return;
        const to = spentTop(stream.voucher, notice.k);
        // A lease renewed in the middle of a stream begins above the stream's start: only its end is bounded.
        check(terminal, { channel: notice.channel, from: to, to, tap: 0 });
      }
    },
  };
};

/** What a terminal delivered to a channel and the hub has not acknowledged. */
function exposure({ outbox }: TerminalBooks, channel: number): number {
  return outbox.reduce((sum, entry) => sum + (entry.channel === channel ? entry.exposure : 0), 0);
}

/**
 * Charge points behind a gateway, against what their registers told and what their devices stored: a session costs what its
 * tariff says, added up second by second in whole numbers without any rounding but the last; no driver pays more than that,
 * unless the car paid elsewhere in the middle, so that nothing could be given back; and every tick that a device took belongs
 * to a session, which counts it as often as it was stored, less what went back.
 *
 * Not checked here: what flowed and was never paid (drivers who leave, gateways that were away), chargers without a gateway,
 * records that the charge point took up again after they were closed, and chargers that froze.
 */
import type { Tariff } from '../../device/tariff/tariff.ts';
import { toHex } from '../../protocol/bytes.ts';
import type { TerminalActor } from '../fleet/actors.ts';
import type { Reading } from '../fleet/charge-point.ts';
import type { PlugProgram } from '../fleet/plug-program.ts';
import type { MakeChecker } from './checker.ts';

type Session = PlugProgram['closed'][number];

/** A stream that the device took, by its records alone. */
interface Taken {
  readonly tickValue: number;
  readonly channel: number;
  k: number;
  credited: number;
  /** Unix seconds at which another voucher took its place on the lane: from then on nothing can be given back on it. */
  replacedAt: number;
}

/** A unit is counted in so many parts: no price of a watt-hour or a second, with VAT, has a rest below one. */
const PARTS = 3_600n * 1000n * 10_000n;

/** Units that readings cost by a tariff. */
function costOf(tariff: Tariff, readings: readonly Reading[]): number {
  const bandOf = (second: number) => {
    const minute = Math.floor((second % 86_400) / 60);
    return tariff.bands.find(({ from, to }) =>
      from < to ? from <= minute && minute < to : minute >= from || minute < to || from === to,
    )!;
  };
  let parts = BigInt(tariff.start) * PARTS;
  let idleSeconds = 0;
  for (let i = 1; i < readings.length; i++) {
    const [from, to] = [readings[i - 1]!, readings[i]!];
    const wh = to.wh - from.wh;
    parts += (BigInt(wh) * BigInt(bandOf(from.at).perKwh) * PARTS) / 1000n;
    // A car that was full when the span began, and took nothing in it, stood there.
    if (from.idle && wh === 0) idleSeconds += to.at - from.at;
    else
      for (let second = from.at; second < to.at; second++)
        parts += (BigInt(bandOf(second).perHour) * PARTS) / 3600n;
  }
  const billed = BigInt(Math.max(0, idleSeconds - tariff.idleGrace));
  parts += (billed * BigInt(tariff.idlePerHour) * PARTS) / 3600n;
  const least = BigInt(tariff.least) * PARTS;
  if (tariff.most !== undefined && parts > BigInt(tariff.most) * PARTS) parts = BigInt(tariff.most) * PARTS;
  if (parts < least) parts = least;
  const gross = parts * BigInt(10_000 + tariff.vat);
  return Number((2n * gross + PARTS * 10_000n) / (2n * PARTS * 10_000n));
}

export const chargedIsDue: MakeChecker = (simulation, report) => {
  const taken = new Map<TerminalActor, Map<string, Taken>>();

  const compare = (terminal: TerminalActor, plug: PlugProgram): void => {
    const { name } = terminal.device;
    const streams = taken.get(terminal) ?? new Map<string, Taken>();
    const sessions = [...plug.closed, ...(plug.open === undefined ? [] : [plug.open])];
    const counted = new Set<string>();
    for (const session of sessions) {
      let net = 0;
      let isReplaced = false;
      for (const { voucher, k, credited, tickValue } of session.streams) {
        if (voucher === undefined) continue;
        const known = streams.get(voucher);
        if (known === undefined || counted.has(voucher)) {
          report(
            `${name}: session ${session.id} has stream ${voucher}, which ${known ? 'another has' : 'nobody took'}`,
          );
          continue;
        }
        counted.add(voucher);
        const stored = known.k * known.tickValue - known.credited;
        if (k * tickValue - credited !== stored)
          report(
            `${name}: session ${session.id} counts ${k} ticks and ${credited} given back, its device stored ${known.k} and ${known.credited}`,
          );
        net += stored;
        isReplaced ||= known.replacedAt < (session.closedAt ?? 0);
      }
      costs(name, plug, session, net, isReplaced);
    }
    for (const [voucher, { k }] of streams)
      if (k > 0 && !counted.has(voucher))
        report(`${name} took ${k} ticks of ${voucher}, and no session has them`);
  };

  const costs = (
    name: string,
    plug: PlugProgram,
    session: Session,
    net: number,
    isReplaced: boolean,
  ): void => {
    const { transaction, ended, closedAt } = session;
    if (closedAt === undefined || ended === undefined) return;
    const charging = plug.chargePoint.chargings.find(({ id }) => id === transaction?.id);
    if (transaction !== undefined && charging === undefined)
      return report(`${name} has a session of no charging`);
    const isWhole = charging?.over === true && ended.reason !== 'lost' && ended.reason !== 'gone';
    if (charging !== undefined && !isWhole) return;
    const due = charging === undefined ? 0 : costOf(plug.tariff, charging.readings);
    const said = plug.dueOf(session);
    if (said !== due) report(`${name}: session ${session.id} is said to cost ${said}, and costs ${due}`);
    if (net > due && !isReplaced)
      report(`${name}: session ${session.id} was paid ${net} and cost ${due} (${ended.reason})`);
  };

  return {
    name: 'charged is due',
    terminalStored(terminal, record) {
      if (terminal.plug === undefined) return;
      const streams = taken.get(terminal) ?? new Map<string, Taken>();
      taken.set(terminal, streams);
      if (record.type === 'answered') {
        const { voucher } = record;
        for (const other of streams.values()) {
          if (other.channel === voucher.channel)
            other.replacedAt = Math.min(other.replacedAt, simulation.world.nowSeconds);
        }
        if (voucher.kind !== 'stream' || record.receipt === undefined) return;
        const { channel, tickValue } = voucher;
        streams.set(toHex(record.digest), {
          tickValue,
          channel,
          k: 0,
          credited: 0,
          replacedAt: Number.POSITIVE_INFINITY,
        });
      } else if (record.type === 'tick') {
        for (const stream of streams.values())
          if (stream.channel === record.channel && stream.replacedAt === Number.POSITIVE_INFINITY)
            stream.k = record.k;
      } else if (record.type === 'credited') {
        const known = streams.get(toHex(record.voucher));
        if (known !== undefined) known.credited = record.credited;
      }
    },
    finished() {
      for (const terminal of simulation.fleet.terminals) {
        const { plug, device } = terminal;
        if (plug === undefined || device.frozen || device.key.dead) continue;
        compare(terminal, plug);
      }
    },
  };
};

/** One tap in a lab, from the price that a cashier types to what both displays say. */
import { parsePrice } from '../../hardware/boards/node/cli/money.ts';
import { refusal } from '../../hardware/boards/node/http/routes.ts';
import type { Rule } from '../proxy/rules.ts';
import type { Lab } from './lab.ts';

export interface TapWish {
  readonly payer: string;
  readonly terminal: string;
  /** Such as 4.50. */
  readonly amount: string;
  readonly rules: readonly Rule[];
  readonly seed: number;
  /** How long customer and cashier try. */
  readonly seconds: number;
}

/** What came of it. */
export interface TapResult {
  readonly outcome: 'paid' | 'refused' | 'nothing';
  /** Why, where the till refused last. */
  readonly code?: string;
  /** Who refused: the till itself, or the device at the far end. */
  readonly by?: string;
  /** How often the devices met. */
  readonly meetings: number;
  /** Every message, as `sundial proxy --record` writes it. */
  readonly record: readonly string[];
}

/**
 * Holds the payer to the terminal until both say that it is paid, the till refuses (where nothing disturbs the link), or
 * the time is over. A sale that was not paid is cancelled.
 */
export async function tap(lab: Lab, wish: TapWish): Promise<TapResult> {
  const { payer, terminal, amount, rules, seed, seconds } = wish;
  parsePrice(amount);
  const [from, to] = [lab.device(payer), lab.device(terminal)];
  if (to.role !== 'pos')
    throw refusal('no_till', `${terminal} is no till`, 'Hold a car to a charger with POST /v1/links.');
  const before = { from: from.events.last, to: to.events.last };
  lab.command(to, { sale: amount });
  await to.events.next(before.to, ['sale.opened', 'sale.refused'], seconds * 1000);
  const link = await lab.addLink(payer, terminal, rules, seed);
  const approved = (): boolean => to.events.since(before.to, ['approved']).length > 0;
  const refusals = () => to.events.since(before.to, ['refused']);
  const paid = (): boolean =>
    approved() && from.events.since(before.from, ['paid', 'acknowledged']).length > 0;
  // Both logs are looked at whenever either grows.
  const deadline = Date.now() + seconds * 1000;
  const over = (): boolean => paid() || (rules.length === 0 && refusals().length > 0);
  while (!over() && Date.now() < deadline)
    await Promise.race([
      from.events.until(over, deadline - Date.now()),
      to.events.until(over, deadline - Date.now()),
    ]);
  const meetings = link.proxy.met;
  lab.endLink(link);
  if (!approved()) {
    const { last } = to.events;
    lab.command(to, { cancel: true });
    await to.events.next(last, ['sale.failed'], 1000);
  }
  const { code, by } = (refusals().at(-1) ?? {}) as { code?: string; by?: string };
  const outcome = approved() ? 'paid' : code === undefined ? 'nothing' : 'refused';
  return {
    outcome,
    ...(outcome === 'refused' && { code: code!, by: by! }),
    meetings,
    record: link.record,
  };
}

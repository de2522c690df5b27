/** A sale as it goes at a till: the amount is typed, the customer taps, waits for the beep, and goes. */
import { amount } from '../../protocol/integers.ts';
import type { Random } from '../stage/world/random.ts';
import { SECOND } from '../stage/world/world.ts';
import type { PayerActor, TerminalActor } from './actors.ts';
import type { Place } from './place.ts';
import type { Sale } from './sales.ts';
import type { Basket } from './till-program.ts';

/** How long a customer holds the wearable to the till before giving up. */
const PATIENCE_MS = { least: 6 * SECOND, most: 15 * SECOND };

/** How long a person takes to say yes or no, and how many, in 1,000, say no. */
const CONFIRM_MS = { least: 500, most: 4 * SECOND };
const DECLINED = 100;
/** How many, in 1,000, pay a part when they have no more, and how many sales are asked for again by who did not hear of them. */
const PART_TAKEN = 600;
const ASKED_TWICE = 100;

export function tap(
  place: Place,
  random: Random,
  payer: PayerActor,
  terminal: TerminalActor,
  basket: Basket,
  options: { readonly hasty: boolean; readonly refund: boolean; readonly sale?: Sale },
): void {
  const { world } = place;
  const { sale } = options;
  const { till } = terminal;
  const units = basket.amount + (basket.tip ?? 0);
  payer.busy = true;
  terminal.busy = true;
  let approved = false;
  terminal.device.behaviour = (notice) => {
    sale?.saw(notice);
    if (notice.type === 'approved') approved = true;
  };
  const order = till?.sell(basket, random.chance(ASKED_TWICE));
  if (till === undefined)
    terminal.device.dispatch({
      type: 'sale',
      amount: amount(units),
      currency: 'TIME',
      challenge: random.bytes(16),
    });
  world.after(random.between(300, 2500), () => {
    const link = place.link(payer.device, terminal.device);
    let leaving = false;
    const leave = (afterMs: number): void => {
      if (leaving) return;
      leaving = true;
      world.after(afterMs, () => {
        link.close();
        payer.device.behaviour = undefined;
        terminal.device.behaviour = undefined;
        payer.busy = false;
        terminal.busy = false;
        sale?.over(options.hasty);
        if (!approved) place.cancel(terminal);
        else if (options.refund)
          place.refund(random, terminal, { channel: payer.channel, units, ...(order && { order }) });
      });
    };
    if (options.hasty) return leave(random.between(20, 900));
    const lookedAt = random.between(200, 900);
    let partTaken = false;
    payer.device.behaviour = (notice) => {
      // A person reads what is asked, and mostly wants it.
      if (notice.type === 'confirmWanted') {
        const yes = !random.chance(DECLINED);
        world.after(random.between(CONFIRM_MS.least, CONFIRM_MS.most), () =>
          payer.device.dispatch({ type: 'confirm', request: notice.request, yes }),
        );
      }
      if (notice.type === 'refused') sale?.saw(notice);
      // Somebody with less than that pays what there is, once.
      if (notice.type === 'refused' && order !== undefined && !partTaken && random.chance(PART_TAKEN)) {
        partTaken = true;
        return void world.after(lookedAt, () => {
          if (!till!.takePart(order)) leave(0);
        });
      }
      // An earlier voucher may be settled first; the customer waits for this one.
      if (notice.type === 'paid' && approved) leave(lookedAt);
      if (notice.type === 'refused') leave(lookedAt);
    };
    world.after(random.between(PATIENCE_MS.least, PATIENCE_MS.most), () => leave(0));
  });
}

/** Someone comes by only to have an old voucher answered. */
export function visit(place: Place, random: Random, payer: PayerActor, terminal: TerminalActor): void {
  payer.busy = true;
  terminal.busy = true;
  const link = place.link(payer.device, terminal.device);
  place.world.after(random.between(8 * SECOND, 12 * SECOND), () => {
    link.close();
    payer.busy = false;
    terminal.busy = false;
  });
}

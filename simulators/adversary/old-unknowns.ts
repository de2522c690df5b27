/**
 * An owner who wants back what was paid. The wearable is honest; between it and a till stands a box of the owner's. While
 * a voucher is on its way the box asks the hub for it, which truly says that it holds no such thing. Then the box lets it
 * through, swallows every answer, keeps the wearable from the hub, and comes again and again: once the till has forgotten
 * the lane, that old word of the hub is all that the till is shown. It names a ledger too short to prove anything (rule 4).
 */
import { type Bytes32, toHex } from '../../protocol/bytes.ts';
import { amount } from '../../protocol/integers.ts';
import { decodeOwn, encodeMessage, type Message, type MessageOf } from '../../protocol/wire/messages.ts';
import type { PayerActor, TerminalActor } from '../fleet/actors.ts';
import type { Run } from '../fleet/run.ts';
import { WARMUP_MS } from '../fleet/timing.ts';
import type { UplinkEnd } from '../stage/network/broker.ts';
import { MessageEnd } from '../stage/network/message-end.ts';
import type { Random } from '../stage/world/random.ts';
import { MINUTE, SECOND } from '../stage/world/world.ts';

/** A sale, and one more look of the till at an old voucher. */
const PATIENCE_MS = 9 * SECOND;
const GAP_MS = { least: MINUTE, most: 4 * MINUTE };
/** What the till says and the wearable never hears. */
const SWALLOWED: ReadonlySet<string> = new Set(['receipt', 'credit', 'acknowledgement', 'refusal']);

/** One side of the box. */
class BoxEnd extends MessageEnd {
  private readonly onHeard: (message: Message) => void;

  constructor(onHeard: (message: Message) => void) {
    super();
    this.onHeard = onHeard;
  }

  protected heard(message: Message): void {
    this.onHeard(message);
  }

  pass(message: Message): void {
    this.say(message);
  }

  close(): void {
    this.link?.close();
  }
}

class Box implements UplinkEnd {
  /** As the hub calls it: a stranger with a network of its own. */
  readonly id: string;
  readonly isOn = true;
  private readonly simulation: Run;
  private readonly random: Random;
  private readonly payer: PayerActor;
  private readonly till: TerminalActor;
  /** What the hub said, before the till had it. */
  private word: MessageOf<'unknown'> | undefined;
  /** The voucher that waits for that word. */
  private held: Message | undefined;
  private atTill: BoxEnd | undefined;

  constructor(simulation: Run, random: Random, payer: PayerActor, till: TerminalActor) {
    this.id = toHex(random.bytes(20)).slice(2);
    this.simulation = simulation;
    this.random = random;
    this.payer = payer;
    this.till = till;
  }

  hubConnected(): void {}
  hubLost(): void {}

  hubBytes(bytes: Uint8Array): void {
    const message = decodeOwn(bytes);
    if (message.type !== 'unknown') return;
    this.word = message;
    const { held } = this;
    this.held = undefined;
    if (held !== undefined) this.atTill?.pass(held);
  }

  work(): void {
    const { simulation, random, payer, till } = this;
    const { world, broker } = simulation;
    if (world.nowMs > simulation.activeUntilMs - 5 * MINUTE) return;
    broker.connect(this);
    broker.cutOff.add(payer.device.id);
    payer.device.goOffline();
    const isFree = !payer.busy && !till.busy && payer.device.isOn && till.device.isOn;
    if (isFree) this.meet();
    world.after(random.between(GAP_MS.least, GAP_MS.most), () => this.work());
  }

  /** Of the first voucher that has no answer, the digest. */
  private open(): Bytes32 | undefined {
    return this.payer.device.books.unconfirmed.find((entry) => entry.kind === 'voucher')?.digest;
  }

  /** A sale, when everything is answered; otherwise the old voucher once more. */
  private meet(): void {
    const { simulation, random, payer, till } = this;
    const isSale = this.open() === undefined;
    let approved = false;
    payer.busy = true;
    till.busy = true;
    if (isSale) {
      this.word = undefined;
      till.device.behaviour = (notice) => {
        if (notice.type === 'approved') approved = true;
      };
      const units = amount(random.between(1_000_000, 20_000_000));
      till.device.dispatch({ type: 'sale', amount: units, currency: 'TIME', challenge: random.bytes(16) });
    }
    const atTill = new BoxEnd((message) => {
      if (!SWALLOWED.has(message.type)) atPayer.pass(message);
    });
    const atPayer = new BoxEnd((message) => this.toTill(atTill, message));
    this.atTill = atTill;
    simulation.join(atTill, till.device);
    simulation.join(atPayer, payer.device);
    simulation.world.after(PATIENCE_MS, () => {
      this.atTill = undefined;
      this.held = undefined;
      atTill.close();
      atPayer.close();
      if (isSale) till.device.behaviour = undefined;
      payer.busy = false;
      till.busy = false;
      if (isSale && !approved) simulation.cancel(till);
    });
  }

  private toTill(atTill: BoxEnd, message: Message): void {
    if (message.type === 'voucher' && this.word === undefined) {
      this.held = message;
      const { channel, seq } = message;
      const query = { type: 'query', channel, seq, entry: this.open()! } as const;
      this.simulation.broker.up(this.id, encodeMessage(query));
      return;
    }
    if (message.type === 'resolveVoucher' && this.word !== undefined) atTill.pass(this.word);
    atTill.pass(message);
  }
}

/** Puts the box between a payer and one till, for as long as payments are made. */
export function planOldUnknowns(simulation: Run, random: Random, payer: PayerActor): void {
  const { fleet, world } = simulation;
  const tills = fleet.terminals.filter(({ role }) => role === 'pos');
  if (tills.length === 0) return;
  fleet.takeOut(payer);
  const box = new Box(simulation, random, payer, random.pick(tills));
  world.at(WARMUP_MS + random.between(SECOND, 10 * MINUTE), () => box.work());
}

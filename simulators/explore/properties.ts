/** What must hold in every state of a walk; the names are those of the reference model of the money rules. */
import { equalBytes, fromHex, toHex } from '../../protocol/bytes.ts';
import { payerFault } from './actors/payer.ts';
import { claimable } from './actors/terminal.ts';
import type { Made } from './scene.ts';
import { fingerprint } from './space.ts';
import type { World } from './world.ts';

export class Properties {
  /** States in which everything was resolved after something was approved. */
  resolved = 0;
  private readonly world: World;
  private readonly payerFaults = new Map<number, string | undefined>();
  private readonly terminalTops = new Map<number, number>();
  private readonly lists = new Map<number, number>();
  private readonly hubTops = new Map<number, number>();
  private readonly sentFaults = new Map<number, string | undefined>();
  private readonly mask: Int32Array;
  private masked = 0;
  /** Whether what terminals answered makes a difference. */
  private readonly answersCount: boolean;

  constructor(world: World) {
    this.world = world;
    this.mask = new Int32Array(world.first.length - world.sentAt);
    const { evicts, asks } = world.scene.config;
    this.answersCount = evicts === true || asks.some((ask) => 'back' in ask);
  }

  /** What is wrong with this row, or undefined. */
  fault(row: Int32Array): string | undefined {
    return (
      this.payerFault(row[0]!) ??
      this.sentFault(row) ??
      this.hubFault(row) ??
      this.vaultFault(row) ??
      this.claimFault(row) ??
      this.holdFault(row) ??
      this.netFault(row)
    );
  }

  private payerFault(number: number): string | undefined {
    if (!this.payerFaults.has(number))
      this.payerFaults.set(number, payerFault(this.world.payer.local(number).state));
    return this.payerFaults.get(number);
  }

  /** P1 and P1b: what the payer ever sent never proves it a fraud. */
  private sentFault(row: Int32Array): string | undefined {
    const { world } = this;
    this.growMask();
    const revealed = new Int32Array(this.mask.length);
    for (let word = 0; word < this.mask.length; word++)
      revealed[word] = row[world.sentAt + word]! & this.mask[word]!;
    const { low, high } = fingerprint(revealed);
    const key = low * 0x20_0000 + (high >>> 11);
    if (!this.sentFaults.has(key))
      this.sentFaults.set(key, this.overlap(revealed) ?? this.answeredTwice(revealed));
    return this.sentFaults.get(key);
  }

  /** One bit for each message that is a voucher or a tick. */
  private growMask(): void {
    const { values } = this.world.scene.sent;
    for (; this.masked < values.length; this.masked++) {
      const { voucher, message } = values[this.masked]!;
      const answer = message.type === 'receipt' || message.type === 'credit';
      if (voucher !== undefined || message.type === 'tick' || (answer && this.answersCount))
        this.mask[this.masked >> 5]! |= 1 << (this.masked & 31);
    }
  }

  private overlap(revealed: Int32Array): string | undefined {
    const { scene } = this.world;
    const made = new Map(scene.vouchers());
    const all: Made[] = [];
    /** Highest tick revealed, by seq of its stream. */
    const ticks = new Map<number, number>();
    scene.sent.values.forEach(({ voucher, message }, number) => {
      if ((revealed[number >> 5]! & (1 << (number & 31))) === 0) return;
      if (voucher !== undefined) all.push(made.get(voucher)!);
      else if (message.type === 'tick')
        ticks.set(message.seq, Math.max(message.k, ticks.get(message.seq) ?? 0));
    });
    for (const a of all)
      for (const b of all) {
        if (a === b) continue;
        if (a.voucher.seq === b.voucher.seq) return `P1 two different vouchers have seq ${a.voucher.seq}`;
        if (a.voucher.seq > b.voucher.seq) continue;
        const top = a.voucher.kind === 'stream' ? (ticks.get(a.voucher.seq) ?? 0) : 0;
        const samePayee = equalBytes(a.voucher.payee, b.voucher.payee);
        const spentBase = b.voucher.spent - b.request.amount;
        const base = b.voucher.paid - b.request.amount;
        if (spentBase < a.voucher.spent + top || (samePayee && base < a.voucher.paid + top))
          return `P1b an honest payer can be proved a fraud: ${b.name} begins below the end of ${a.name}`;
      }
    return undefined;
  }

  /** P4: what a terminal took it never gives back in full as if it had not. */
  private answeredTwice(revealed: Int32Array): string | undefined {
    const { scene } = this.world;
    const taken = new Set<string>();
    const given = new Set<string>();
    scene.sent.values.forEach(({ message }, number) => {
      if ((revealed[number >> 5]! & (1 << (number & 31))) === 0) return;
      if (message.type === 'receipt') taken.add(toHex(message.voucher));
      if (message.type !== 'credit') return;
      const { request } = scene.voucher(message.voucher)!;
      if (message.credited >= request.amount) given.add(toHex(message.voucher));
    });
    for (const voucher of given) {
      const made = scene.voucher(fromHex(voucher))!;
      if (taken.has(voucher) && made.voucher.kind === 'voucher')
        return `P4 ${made.name} was approved, and voided later`;
    }
    return undefined;
  }

  private hubFault(row: Int32Array): string | undefined {
    const { evidence } = this.world.hub.local(row[this.world.hubAt]!);
    return evidence ? 'P1b the hub holds evidence against an honest payer' : undefined;
  }

  /** P3 and P4: L2 pays what the payer signed, and nothing appears or is lost. */
  private vaultFault(row: Int32Array): string | undefined {
    const { world } = this;
    let number = row[world.vaultAt]!;
    // Where L2 is walked apart, no state has more settled than what this one would have settled by now.
    const isApart = world.ledgers !== undefined && world.scene.config.exit === true;
    if (isApart && world.vault.local(number).phase !== 'left')
      number = world.vault.settle(number, world.hub.durableBooks(row[world.hubAt]!));
    const { settled, fault } = world.vault.local(number);
    if (fault !== undefined) return fault;
    const { lanes } = world.payer.local(row[0]!).state.books;
    for (const [payee, sum] of settled.entries()) {
      const paid = lanes.find((lane) => equalBytes(lane.payee, world.scene.payees[payee]!))?.paid ?? 0;
      if (sum > paid) return `P3 payee ${payee} was settled ${sum}, the payer signed ${paid}`;
    }
    return undefined;
  }

  /** P2: what a receipt or a tick's answer promised can be claimed by what is stored. */
  private claimFault(row: Int32Array): string | undefined {
    const { world } = this;
    for (let payee = 0; payee < 2; payee++) {
      const promised = row[world.promisedAt + payee]!;
      const listed = this.listed(row[0]!, payee);
      if (promised === 0 && listed === 0) continue;
      let top = this.hubTop(row[world.hubAt]!, payee);
      for (let t = 0; t < world.terminals.length; t++)
        if (world.scene.config.terminals[t] === payee) top = Math.max(top, this.terminalTop(t, row[1 + t]!));
      const { phase, settled } = world.vault.local(row[world.vaultAt]!);
      // The owner took the rest: nothing can be claimed any more. What came later was answered, and given back.
      if (phase === 'left') top = settled[payee]! + this.lateTicks(row, payee);
      if (top < listed) return `P2 the payer lists payee ${payee} at ${listed}, and only ${top} was accepted`;
      if (top < promised) return `P2 payee ${payee} was promised ${promised}, and only ${top} can be claimed`;
    }
    return undefined;
  }

  /** Ticks, worth 1 each, that terminals of a payee credited because nothing was delivered for them. */
  private lateTicks(row: Int32Array, payee: number): number {
    const { world } = this;
    let late = 0;
    world.terminals.forEach((table, t) => {
      if (world.scene.config.terminals[t] !== payee) return;
      for (const stream of Object.values(table.local(row[1 + t]!).ghost.streams)) late += stream.late;
    });
    return late;
  }

  /** Where other vouchers of the payer would list the lane: claimable by whoever holds them. */
  private listed(number: number, payee: number): number {
    const key = number * 2 + payee;
    let listed = this.lists.get(key);
    if (listed === undefined) {
      const address = this.world.scene.payees[payee]!;
      const { lanes } = this.world.payer.local(number).state.books;
      listed = lanes.find((lane) => equalBytes(lane.payee, address))?.confirmedPaid ?? 0;
      this.lists.set(key, listed);
    }
    return listed;
  }

  private terminalTop(t: number, number: number): number {
    const key = number * 8 + t;
    let top = this.terminalTops.get(key);
    if (top === undefined) {
      top = claimable(this.world.scene, this.world.terminals[t]!.local(number).state);
      this.terminalTops.set(key, top);
    }
    return top;
  }

  private hubTop(number: number, payee: number): number {
    const key = number * 2 + payee;
    let top = this.hubTops.get(key);
    if (top === undefined) {
      top = this.world.hub.claimable(number, payee);
      this.hubTops.set(key, top);
    }
    return top;
  }

  /** P7: of a hold no more goes back than was not used, however often somebody says so. */
  private holdFault(row: Int32Array): string | undefined {
    for (const [t, table] of this.world.terminals.entries())
      for (const { back, given } of Object.values(table.local(row[1 + t]!).ghost.holds))
        if (given > back) return `P7 a hold of which ${back} goes back gave ${given} back`;
    return undefined;
  }

  /** P6: when all is resolved, a lane nets exactly what was approved and delivered. */
  private netFault(row: Int32Array): string | undefined {
    const { world } = this;
    if (!world.resolved(row)) return undefined;
    for (let payee = 0; payee < 2; payee++) {
      let approved = 0;
      world.terminals.forEach((table, t) => {
        if (world.scene.config.terminals[t] !== payee) return;
        const { ghost } = table.local(row[1 + t]!);
        approved += ghost.approved;
        for (const { k, late } of Object.values(ghost.streams)) approved += k - late;
        for (const { given } of Object.values(ghost.holds)) approved -= given;
      });
      if (approved > 0) this.resolved += 1;
      const net = world.hub.net(row[world.hubAt]!, payee, world.drop.creditsByLane);
      if (world.drop.creditsByLane && net !== world.hub.net(row[world.hubAt]!, payee)) world.noteBreak();
      if (net !== approved)
        return `P6 all is resolved, payee ${payee} nets ${net}, but ${approved} was approved`;
    }
    return undefined;
  }
}

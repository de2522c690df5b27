/**
 * L2 as a table: the fleet simulator's model of the vault, the hub's own plan of a batch, and the owner who leaves. When
 * an exit may be final follows from the timing alone: each part of it is the longest that one stage may take, so an exit
 * waits for exactly the stages that its delay covers.
 */
import { planRows, rowOf, type SettledView } from '../../../hub/batch/batch.ts';
import type { Books } from '../../../hub/intake/state.ts';
import { fromHex } from '../../../protocol/bytes.ts';
import type { Row } from '../../../hub/l2/rows.ts';
import type { Timing } from '../../../protocol/limits.ts';
import { keyOf, VaultModel } from '../../stage/chain/vault.ts';
import { CHANNEL, type Scene, START } from '../scene.ts';
import { canonical, Interner } from '../space.ts';
import { standInSignature } from '../suite.ts';

type Step = 'exit' | 'final' | readonly Row[];

export type ExitPhase = 'open' | 'leaving' | 'left';

export interface VaultLocal {
  readonly phase: ExitPhase;
  /** Settled, by payee. */
  readonly settled: readonly number[];
  /** Deposit and credits are not what was settled, bonded, returned and left. */
  readonly fault: string | undefined;
  readonly history: readonly Step[];
}

/** What has come to an end since the owner asked to leave, in order. */
export interface Stages {
  readonly leasesOver: boolean;
  readonly handedIn: boolean;
  readonly settled: boolean;
}

/** Whether an exit delay may be over while these stages stand so: it covers what all earlier parts add up to. */
export function exitMayEnd(timing: Timing, { leasesOver, handedIn, settled }: Stages): boolean {
  const { watchLag, leaseLifetime, clockError, payeeOfflineMax, claimMargin, slowLane, exitDelay } = timing;
  const parts = [watchLag + leaseLifetime + clockError, payeeOfflineMax, claimMargin + slowLane];
  const done = [leasesOver, handedIn, settled];
  let longest = 0;
  return parts.every((part, index) => {
    longest += part;
    return exitDelay < longest || done[index];
  });
}

export class VaultTable {
  readonly locals = new Interner<VaultLocal>();
  private readonly scene: Scene;
  private readonly deposit: number;
  private readonly carried = new Map<string, number>();
  private readonly settlements = new Map<Books, Map<number, number>>();

  constructor(scene: Scene) {
    this.scene = scene;
    // The bond is a fifth of it: what is left holds every spend limit.
    this.deposit = 2 * scene.lease.spendLimit;
  }

  first(): number {
    return this.number([]);
  }

  local(number: number): VaultLocal {
    return this.locals.values[number]!;
  }

  /** The vault after these steps: it is small, so each state is made anew from its history. */
  private model(history: readonly Step[]): VaultModel {
    const model = new VaultModel(this.scene.signing);
    for (const payee of this.scene.payees) model.registerPayee(payee);
    model.open(CHANNEL, this.scene.payer, this.deposit);
    for (const step of history) {
      if (step === 'exit') model.startExit(CHANNEL, START);
      else if (step === 'final') model.finishExit(CHANNEL, model.channel(CHANNEL).exitReady);
      else model.settle(step);
    }
    return model;
  }

  private number(history: readonly Step[]): number {
    const model = this.model(history);
    const channel = model.channel(CHANNEL);
    const { deposited, credited, bond, free, returned } = channel;
    const settled = this.scene.payees.map((payee) => model.settledOf(CHANNEL, keyOf(payee)));
    const out = settled.reduce((sum, one) => sum + one, 0) + bond + free + returned;
    const fault =
      deposited + credited === out
        ? undefined
        : `P4 ${deposited + credited} came in, ${out} is accounted for`;
    let phase: ExitPhase = 'open';
    if (history.includes('final')) phase = 'left';
    else if (history.includes('exit')) phase = 'leaving';
    return this.locals.number(canonical({ phase, settled, free, returned }), () => ({
      phase,
      settled,
      fault,
      history,
    }));
  }

  step(number: number, step: 'exit' | 'final'): number {
    return this.number([...this.local(number).history, step]);
  }

  /** The row of one voucher, by its digest: a stream without ticks. */
  carry(number: number, digest: string): number {
    const key = `${number}:${digest}`;
    let next = this.carried.get(key);
    if (next === undefined) {
      const { voucher } = this.scene.voucher(fromHex(digest))!;
      const signature = standInSignature(this.scene.payer, fromHex(digest));
      next = this.number([...this.local(number).history, [{ voucher, signature }]]);
      this.carried.set(key, next);
    }
    return next;
  }

  /** One batch of everything that these books claim. */
  settle(number: number, books: Books): number {
    let known = this.settlements.get(books);
    if (known === undefined) {
      known = new Map();
      this.settlements.set(books, known);
    }
    let next = known.get(number);
    if (next === undefined) {
      const { history } = this.local(number);
      const model = this.model(history);
      const view: SettledView = {
        isWhole: () => false,
        least: () => 1,
        settled: (channel, payee) => model.settledOf(channel, payee),
        registered: () => true,
        credited: (voucher) => model.creditedOn(voucher),
        blocked: () => false,
      };
      const { signing } = this.scene;
      const rows = planRows(signing, books, view, 100).map(({ entry, reference }) =>
        rowOf(signing, entry, reference),
      );
      next = rows.length === 0 ? number : this.number([...history, rows]);
      known.set(number, next);
    }
    return next;
  }
}

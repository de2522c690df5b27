/**
 * A vault model that writes down what it was told, and what it then held: so that the same history can be played on
 * the real vault and compared, call by call.
 */
import type { Address } from '../../../protocol/bytes.ts';
import type { Row } from '../../../hub/l2/rows.ts';
import type { Rule } from '../../../hub/l2/fraud.ts';
import { type Outcome, VaultModel } from './vault.ts';

/** A call of the vault, with the model's answer. `at`: seconds of its block, where the vault's clock matters. */
export type VaultCall =
  | { readonly type: 'registerPayee'; readonly payee: Address }
  | { readonly type: 'open'; readonly channel: number; readonly payer: Address; readonly deposit: number }
  | { readonly type: 'topUp'; readonly channel: number; readonly deposit: number; readonly done: boolean }
  | { readonly type: 'startExit'; readonly channel: number; readonly at: number; readonly done: boolean }
  | { readonly type: 'finishExit'; readonly channel: number; readonly at: number; readonly done: boolean }
  | { readonly type: 'settle'; readonly rows: readonly Row[]; readonly outcomes: readonly Outcome[] }
  | {
      readonly type: 'proveFraud';
      readonly rule: Rule;
      readonly rows: readonly Row[];
      readonly at: number;
      readonly done: boolean;
    }
  | {
      readonly type: 'registerShortfall';
      readonly rows: readonly Row[];
      readonly at: number;
      readonly done: boolean;
    }
  | { readonly type: 'closePot'; readonly channel: number; readonly at: number; readonly done: boolean };

/** What a channel holds, in units. */
export interface ChannelView {
  readonly deposited: number;
  readonly credited: number;
  readonly bond: number;
  readonly free: number;
  readonly isExiting: boolean;
  /** What is left of a pot. */
  readonly pot: number;
  /** Settled on each lane, by the payee's key. */
  readonly lanes: ReadonlyMap<string, number>;
}

/** What the vault holds. */
export interface VaultView {
  readonly channels: ReadonlyMap<number, ChannelView>;
  readonly balances: ReadonlyMap<string, number>;
  readonly reserve: number;
}

/** One thing that happened, and the model afterwards. `undone`: so many calls were taken back by a reorganisation. */
export type Step =
  | { readonly type: 'call'; readonly call: VaultCall; readonly after: VaultView }
  | { readonly type: 'undone'; readonly calls: number; readonly after: VaultView };

/** Only for short histories: every step keeps a copy of all that the vault holds. */
export class VaultJournal extends VaultModel {
  readonly steps: Step[] = [];
  private sinceUndo = 0;

  override takeUndo(): () => void {
    const undo = super.takeUndo();
    const calls = this.sinceUndo;
    this.sinceUndo = 0;
    return () => {
      undo();
      this.steps.push({ type: 'undone', calls, after: this.view() });
    };
  }

  override registerPayee(payee: Address): void {
    super.registerPayee(payee);
    this.note({ type: 'registerPayee', payee });
  }

  override open(channel: number, payer: Address, deposit: number): void {
    super.open(channel, payer, deposit);
    this.note({ type: 'open', channel, payer, deposit });
  }

  override topUp(channel: number, deposit: number): boolean {
    const done = super.topUp(channel, deposit);
    this.note({ type: 'topUp', channel, deposit, done });
    return done;
  }

  override startExit(channel: number, at: number): boolean {
    const done = super.startExit(channel, at);
    this.note({ type: 'startExit', channel, at, done });
    return done;
  }

  override finishExit(channel: number, at: number): boolean {
    const done = super.finishExit(channel, at);
    this.note({ type: 'finishExit', channel, at, done });
    return done;
  }

  override settle(rows: readonly Row[]): Outcome[] {
    const outcomes = super.settle(rows);
    this.note({ type: 'settle', rows, outcomes });
    return outcomes;
  }

  override proveFraud(rule: Rule, rows: readonly Row[], at: number): boolean {
    const done = super.proveFraud(rule, rows, at);
    this.note({ type: 'proveFraud', rule, rows, at, done });
    return done;
  }

  override registerShortfall(rows: readonly Row[], at: number): number {
    const shortfall = super.registerShortfall(rows, at);
    this.note({ type: 'registerShortfall', rows, at, done: shortfall > 0 });
    return shortfall;
  }

  override closePot(channel: number, at: number): boolean {
    const done = super.closePot(channel, at);
    this.note({ type: 'closePot', channel, at, done });
    return done;
  }

  private note(call: VaultCall): void {
    this.sinceUndo += 1;
    this.steps.push({ type: 'call', call, after: this.view() });
  }

  /** A copy of what the model holds. */
  view(): VaultView {
    const channels = new Map<number, ChannelView>();
    for (const [id, { deposited, credited, bond, free, exitReady, pot, lanes }] of this.channels) {
      const settled = new Map([...lanes].map(([payee, lane]) => [payee, lane.settled]));
      channels.set(id, { deposited, credited, bond, free, isExiting: exitReady !== 0, pot, lanes: settled });
    }
    return { channels, balances: new Map(this.balances), reserve: this.reserve };
  }
}

/**
 * A payee's office in virtual time: what `sundial payee watch` is for. It keeps what its tills took and what the hub acknowledged
 * of it, looks at L2 by itself, and takes its money there as soon as somebody announces on a customer's channel. It needs no hub.
 * How payments are carried is the command's own (hub/cli/office/carry.ts).
 *
 * Not simulated: its file, how it finds announcements in blocks (`test/till/office.test.ts`), what nobody settled for long, and
 * `Released`.
 */
import {
  carryClaims,
  type AnnouncedBatch,
  type CarryVault,
  type ReadyClaim,
  readyClaim,
} from '../../hub/cli/office/carry.ts';
import { bytesKey } from '../../hub/intake/trie.ts';
import { toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { collectedMessage } from '../../protocol/machines/collected.ts';
import { encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import { takenBy } from '../checkers/checker.ts';
import { keyOf, type Outcome } from '../stage/chain/vault.ts';
import { MINUTE } from '../stage/world/world.ts';
import type { Merchant, TerminalActor } from './actors.ts';
import type { Run } from './run.ts';

/** Between two looks at L2. */
const LOOK_MS = 5 * MINUTE;
/** Milliseconds of a question to its node. */
const ANSWER_MS = 2;

const away = (): SundialError =>
  new SundialError('l2_away', 'no node answers', { severity: 'call', remedy: 'Wait.' });

export class PayeeOffice {
  /** Payments by their voucher's digest. */
  private readonly claims = new Map<string, ReadyClaim>();
  private announced: readonly AnnouncedBatch[] = [];
  private isBusy = false;
  private readonly simulation: Run;
  private readonly merchant: Merchant;

  constructor(simulation: Run, merchant: Merchant) {
    this.simulation = simulation;
    this.merchant = merchant;
  }

  /** Begins to watch. */
  begin(): void {
    const { simulation, merchant } = this;
    const { fleet, world } = simulation;
    simulation.listen((device, notice) => {
      const actor = notice.type === 'approved' ? fleet.actorOf(device) : undefined;
      if (notice.type === 'approved' && actor?.kind === 'terminal' && actor.merchant === merchant)
        this.take(actor, notice.voucher);
    });
    simulation.overhearHub(
      (message) => this.hear(message),
      () => undefined,
    );
    const round = (): void => {
      world.after(LOOK_MS, () => {
        this.look();
        round();
      });
    };
    round();
  }

  private take(till: TerminalActor, voucher: Uint8Array): void {
    const collected = takenBy(till, voucher);
    if (collected === undefined) return;
    const proof = Buffer.from(encodeMessage(collectedMessage(collected))).toString('base64url');
    this.keep(bytesKey(voucher), { proof });
  }

  private hear(message: Message): void {
    if (message.type !== 'acknowledgement') return;
    const key = bytesKey(message.entry);
    const { position, at, signature } = message;
    const known = this.claims.get(key)?.claim;
    if (known !== undefined)
      this.keep(key, { ...known, acknowledgement: { position, at, signature: toHex(signature) } });
  }

  private keep(key: string, claim: ReadyClaim['claim']): void {
    const ready = readyClaim(this.simulation.signing, toHex(this.merchant.key.address), claim);
    if (typeof ready === 'string') throw new Error(`an office keeps ${ready}`);
    this.claims.set(key, ready);
  }

  /** The newest of each customer that was acknowledged, the newest of all, and what waits on L2. */
  private newest(): ReadyClaim[] {
    const waiting = new Set(this.announced.flatMap(({ proofs }) => proofs));
    const newest = new Map<string, ReadyClaim>();
    for (const one of this.claims.values()) {
      const key = `${one.channel} ${one.row.acknowledgement === undefined}`;
      if (one.top > (newest.get(key)?.top ?? -1)) newest.set(key, one);
    }
    const kept = new Set(newest.values());
    return [...this.claims.values()].filter((one) => kept.has(one) || waiting.has(one.claim.proof));
  }

  private look(): void {
    const { simulation, merchant } = this;
    if (this.isBusy || simulation.chain.isAway) return;
    const endangered = new Set(simulation.hub.l2.waiting().map(({ channel }) => channel));
    const claims = this.newest();
    const wanted = ({ channel }: ReadyClaim): boolean => endangered.has(channel);
    if (!claims.some(wanted) && this.announced.length === 0) return;
    this.isBusy = true;
    simulation.world.touched = true;
    const carrying = carryClaims({
      vault: this.vault(),
      account: undefined as never,
      payee: merchant.key.address,
      claims,
      wanted,
      announced: this.announced,
      keep: (announced) => {
        this.announced = announced;
      },
    });
    carrying
      .catch((error: unknown) => {
        // Its node is away: it looks again.
        if (!(error instanceof SundialError)) simulation.world.fail(error);
      })
      .finally(() => {
        this.isBusy = false;
      });
  }

  private vault(): CarryVault {
    const { simulation } = this;
    const { world, chain, hub, vault } = simulation;
    const { anybody } = hub.l2;
    const ask = <T>(answer: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        world.after(ANSWER_MS, () => {
          world.touched = true;
          if (chain.isAway) reject(away());
          else resolve(answer());
        });
      });
    /** Resolves when it is mined. */
    const send = <T>(submit: (mined: (done: T) => void) => boolean): Promise<T> =>
      new Promise((resolve, reject) => {
        const isSent = submit((done) => {
          world.touched = true;
          resolve(done);
        });
        if (!isSent) reject(away());
      });
    // A row of an office's has one lane.
    const told = (outcomes: readonly Outcome[]) => ({
      outcomes: outcomes.map(({ reason, moved }, row) => {
        return { row, reason, moved, done: reason === 'applied' || reason === 'stale' };
      }),
    });
    return {
      registerPayee: () => ask(() => undefined),
      readLane: (channel, payee) => ask(() => vault.settledOf(channel, keyOf(payee))),
      readChannel: (channel) => ask(() => vault.channel(channel)),
      readClock: () => ask(() => chain.head.at),
      executableAt: (rows) => ask(() => anybody.executableAt(rows)),
      settleBatch: (_, rows) =>
        send<readonly Outcome[]>((mined) => anybody.settleOpenly(rows, mined)).then(told),
      announce: (_, rows) => send<boolean>((mined) => anybody.announce(rows, mined)),
      execute: (_, rows) =>
        send<readonly Outcome[] | undefined>((mined) => anybody.execute(rows, mined)).then((outcomes) =>
          told(outcomes ?? []),
        ),
    };
  }
}

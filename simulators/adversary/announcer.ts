/**
 * A payer that has its key in its hand and a friend who is a payee. It goes shopping, and meanwhile announces on L2 what it never
 * paid to its friend: all that the channel has, more than it has, a part, or twice as much in two batches. It tries at once, too
 * early, and when it is due; or it announces again and again, and never executes anything, to hold up what others are owed. What the hub or the payees' offices took to L2 by then is theirs (rule 20).
 *
 * In some seeds the hub vanishes with the announcement and comes back when all is over: then only offices stand for what
 * it acknowledged.
 */
import type { Row } from '../../hub/l2/rows.ts';
import { ZERO_BYTES16 } from '../../protocol/bytes.ts';
import { amount, channelId, seq, UINT48_MAX } from '../../protocol/integers.ts';
import { voucherDigest } from '../../protocol/vouchers.ts';
import type { PayerActor } from '../fleet/actors.ts';
import type { Run } from '../fleet/run.ts';
import { WARMUP_MS } from '../fleet/timing.ts';
import type { Random } from '../stage/world/random.ts';
import { HOUR, MINUTE, SECOND } from '../stage/world/world.ts';

/** Seeds, in 1,000, in which the hub vanishes. */
const HUB_VANISHES = 250;
/** Numbers that no till ever sees. */
const FIRST_SEQ = 1_000_000;

class Announcer {
  private readonly simulation: Run;
  private readonly random: Random;
  private readonly payer: PayerActor;
  /** Accounts of the friend. */
  private readonly friends: readonly Uint8Array[];
  private next = FIRST_SEQ;

  constructor(simulation: Run, random: Random, payer: PayerActor) {
    this.simulation = simulation;
    this.random = random;
    this.payer = payer;
    this.friends = [1, 2].map((number) => random.fork(`friend ${number}`).bytes(20));
    for (const friend of this.friends) simulation.hub.l2.register(friend);
    payer.honest = false;
  }

  rob(): void {
    const { simulation, random } = this;
    const { channel } = this.payer;
    const { free } = simulation.vault.channel(channel);
    const [one, other] = this.friends as [Uint8Array, Uint8Array];
    switch (random.below(5)) {
      case 0:
        return this.carry([this.row(one, free)]);
      case 1:
        return this.carry([this.row(one, UINT48_MAX)]);
      case 2:
        return this.carry([this.row(one, random.between(Math.floor(free / 2), free))]);
      case 3:
        return this.hold(one);
      default:
        this.carry([this.row(one, free)]);
        return this.carry([this.row(other, free), this.row(one, 2 * free)]);
    }
  }

  private row(friend: Uint8Array, units: number): Row {
    const { signing } = this.simulation;
    const { key } = this.payer.device;
    this.next += 1;
    const voucher = {
      kind: 'voucher',
      channel: channelId(this.payer.channel),
      seq: seq(this.next),
      spent: amount(units),
      payee: friend,
      paid: amount(units),
      request: this.random.bytes(32),
      lanes: ZERO_BYTES16,
    } as const;
    const signature = key.made.sign(voucherDigest(signing, voucher));
    return { voucher, signature, ...(key.publicKey && { key: key.publicKey }) };
  }

  /** Announces one batch after the other until all is over, and executes none. */
  private hold(friend: Uint8Array): void {
    const { world, hub, endMs } = this.simulation;
    hub.l2.anybody.announce([this.row(friend, UINT48_MAX)]);
    if (world.nowMs < endMs) world.after(20 * MINUTE, () => this.hold(friend));
  }

  /** Tries at once and too early, announces, and executes when it is due; as often as blocks are taken back. */
  private carry(rows: readonly Row[]): void {
    const { world, hub, activeUntilMs } = this.simulation;
    const { anybody } = hub.l2;
    anybody.settleOpenly(rows);
    anybody.execute(rows);
    let isExecuted = false;
    const look = (): void => {
      // Taken back by a reorganisation, it waits again.
      if (anybody.executableAt(rows) !== undefined)
        anybody.execute(rows, (outcomes) => {
          isExecuted ||= outcomes !== undefined;
        });
      else if (!isExecuted) anybody.announce(rows);
      // Long enough to see that no block with it is taken back.
      if (world.nowMs < activeUntilMs + HOUR) world.after(MINUTE, look);
    };
    look();
  }
}

/** Has a payer announce in the middle of its shopping, early enough that it can execute before the end. */
export function planAnnouncer(simulation: Run, random: Random, payer: PayerActor): void {
  const { world, hub, timing, activeUntilMs } = simulation;
  const lastMs = activeUntilMs - timing.slowLane * SECOND - 20 * MINUTE;
  const announcer = new Announcer(simulation, random, payer);
  const atMs = random.between(WARMUP_MS + 10 * MINUTE, Math.max(WARMUP_MS + 10 * MINUTE, lastMs));
  const vanishes = random.chance(HUB_VANISHES);
  world.at(atMs, () => {
    announcer.rob();
    if (vanishes) hub.vanish();
  });
  world.at(activeUntilMs, () => hub.comeBack());
}

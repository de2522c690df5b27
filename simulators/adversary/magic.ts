/**
 * Magic wearables: virtual payers that each do one thing wrong, so that whoever builds a till can see what its
 * terminal says. Each runs against the real terminal machine in virtual time; what the till heard is what came out,
 * not what was written down.
 */
import type { Notice } from '../../protocol/machines/effects.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import type { PayerActor, TerminalActor } from '../fleet/actors.ts';
import { tap } from '../fleet/tap.ts';
import { MessageEnd } from '../stage/network/message-end.ts';
import type { TapLink } from '../stage/network/tap-link.ts';
import { readScenario, SCENARIOS } from '../scenarios/index.ts';
import { Simulation } from '../fleet/simulation.ts';
import { WARMUP_MS } from '../fleet/timing.ts';
import { standInSuite } from '../stage/world/suite.ts';
import { HOUR, MINUTE, SECOND } from '../stage/world/world.ts';

export interface Magic {
  readonly name: string;
  /** Price that a till asks to meet this wearable, in units. */
  readonly units: number;
  readonly about: string;
  play(stage: Stage): Promise<void>;
}

export interface Outcome {
  readonly name: string;
  readonly units: number;
  readonly about: string;
  /** What the till's display was told, in order, without repetitions. */
  readonly till: readonly string[];
}

/** One wearable, two tills of two merchants, a hub. Nothing happens by itself. */
class Stage {
  readonly simulation: Simulation;
  readonly payer: PayerActor;
  readonly till: TerminalActor;
  readonly other: TerminalActor;
  readonly heard: string[] = [];
  units = 0;

  constructor() {
    const base = SCENARIOS.get('tap-offline')!;
    const scenario = readScenario(
      {
        ...base,
        hours: 120,
        salesPerDay: 0,
        terminalsPerMerchant: 1,
        mix: { wearable: 400, pos: 600, car: 0, charger: 0 },
        faults: {},
      },
      'the stage',
    );
    this.simulation = new Simulation({ scenario, devices: 3, seed: 1, suite: standInSuite(), checkers: [] });
    this.payer = this.simulation.fleet.payers[0]!;
    [this.till, this.other] = this.simulation.fleet.terminals as [TerminalActor, TerminalActor];
    this.simulation.listen((device, notice) => {
      if (device === this.till.device) this.hear(notice);
    });
  }

  /** A stage on which the devices have their leases. */
  static async ready(): Promise<Stage> {
    const stage = new Stage();
    await stage.wait(WARMUP_MS);
    return stage;
  }

  private hear(notice: Notice): void {
    const said = notice.type === 'refused' ? `refused: ${notice.code} (${notice.by})` : notice.type;
    if (['approved', 'refused', 'voided'].includes(notice.type) && this.heard.at(-1) !== said)
      this.heard.push(said);
  }

  async wait(ms: number): Promise<void> {
    await this.simulation.runTo(this.simulation.world.nowMs + ms);
  }

  async sale(units: number, payer = this.payer, till = this.till): Promise<void> {
    tap(
      this.simulation,
      this.simulation.random.fork(`sale ${this.simulation.links}`),
      payer,
      till,
      { amount: units },
      {
        hasty: false,
        refund: false,
      },
    );
    await this.wait(MINUTE);
  }
}

/** Says again what another device said. */
class Recorder extends MessageEnd {
  private readonly said: readonly Message[];

  constructor(said: readonly Message[]) {
    super();
    this.said = said;
  }

  override linkUp(link: TapLink): void {
    super.linkUp(link);
    for (const message of this.said) this.say(message);
  }

  protected heard(): void {}
}

export const MAGIC: readonly Magic[] = [
  {
    name: 'good',
    units: 1_000_000,
    about: 'an ordinary wearable',
    play: (stage) => stage.sale(1_000_000),
  },
  {
    name: 'over-limit',
    units: 66_000_000,
    about: 'asked for more than its lease allows for one tap',
    play: (stage) => stage.sale(66_000_000),
  },
  {
    name: 'replayed-voucher',
    units: 1_110_000,
    about: 'plays back what another wearable sent at an earlier sale',
    play: async (stage) => {
      const { simulation, payer, till } = stage;
      const sent: Message[] = [];
      simulation.overhear((device, message) => {
        if (device === payer.device) sent.push(message);
      });
      await stage.sale(1_110_000);
      till.device.dispatch({
        type: 'sale',
        amount: 1_110_000 as never,
        currency: 'TIME',
        challenge: simulation.random.fork('replay').bytes(16),
      });
      simulation.join(new Recorder(sent.slice()), till.device);
      await stage.wait(MINUTE);
    },
  },
  {
    name: 'expired-lease',
    units: 1_220_000,
    about: 'was offline for longer than its lease lives, and has no clock to know it',
    play: async (stage) => {
      stage.payer.device.powerOff('stored away');
      stage.payer.device.clockRuns = false;
      await stage.wait(80 * HOUR);
      stage.payer.device.boot();
      await stage.sale(1_220_000);
    },
  },
  {
    name: 'power-loss',
    units: 1_330_000,
    about: 'loses its power before it signs, and comes back a minute later',
    play: async (stage) => {
      const { payer } = stage;
      stage.simulation.world.after(SECOND, () => payer.device.cutBefore('sign'));
      await stage.sale(1_330_000);
      payer.device.boot();
      await stage.sale(1_330_000);
    },
  },
  {
    name: 'skewed-clock',
    units: 1_440_000,
    about: 'its clock is four days ahead',
    play: async (stage) => {
      stage.payer.device.powerOff('clock set');
      stage.payer.device.clockOffset = 4 * 24 * 3600;
      stage.payer.device.boot();
      await stage.sale(1_440_000);
    },
  },
  {
    name: 'hub-refusal',
    units: 1_550_000,
    about: 'its channel was revoked, and the till has heard of it',
    play: async (stage) => {
      stage.till.device.goOnline();
      stage.simulation.hub.revoke(stage.payer.channel);
      await stage.wait(5 * MINUTE);
      await stage.sale(1_550_000);
    },
  },
  {
    name: 'slow-link',
    units: 1_660_000,
    about: 'every message takes four seconds longer',
    play: async (stage) => {
      stage.simulation.weather.everybody.tapSlowMs = 4 * SECOND;
      await stage.sale(1_660_000);
      stage.simulation.weather.everybody.tapSlowMs = 0;
      await stage.sale(1_660_000);
    },
  },
  {
    name: 'duplicated',
    units: 1_770_000,
    about: 'its copy has paid elsewhere with the same numbers; both tills met the hub since',
    play: async (stage) => {
      const { simulation, payer, till, other } = stage;
      const copy = simulation.fleet.addCopy(simulation, payer, 1);
      copy.device.restore(payer.device.storedBooks);
      copy.device.boot();
      await stage.sale(1_770_000, copy, other);
      await stage.sale(1_770_000);
      for (const { device } of [till, other]) device.goOnline();
      await stage.wait(5 * MINUTE);
      await stage.sale(1_770_000);
    },
  },
];

/** Plays every magic wearable on a stage of its own. */
export async function playMagic(): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { name, units, about, play } of MAGIC) {
    const stage = await Stage.ready();
    await play(stage);
    outcomes.push({ name, units, about, till: stage.heard });
  }
  return outcomes;
}

/**
 * A gateway's connector in virtual time: the one that `sundial ocpp` runs (hardware/boards/node/ocpp/connector.ts, with its
 * machine, session and tariff), on a charger of the fleet, in front of a charge point. What it saves is durable at once; its
 * process dies with the power, also right before something is saved, and begins anew over what stands there.
 *
 * Not played here: messages, certificates and passwords of OCPP, transactions that no connector holds, the files of the store,
 * and what is told of settled sessions.
 */
import type { Tariff } from '../../device/tariff/tariff.ts';
import { Connector } from '../../hardware/boards/node/ocpp/connector.ts';
import type { PlugEvent } from '../../hardware/boards/node/ocpp/plug.ts';
import { dueOf, type Session } from '../../hardware/boards/node/ocpp/session.ts';
import type { Notice } from '../../protocol/machines/effects.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import type { Random } from '../stage/world/random.ts';
import { SECOND, type World } from '../stage/world/world.ts';
import { ChargePoint } from './charge-point.ts';
import type { Program } from './device.ts';
import type { TerminalDevice } from './devices.ts';
import { endProgram, Gone } from './program-end.ts';

/** How often the gateway looks at its clock, and how long a charge point takes to find it again. */
const CLOCK_MS = 2 * SECOND;
const BACK_MS = { least: SECOND, most: 20 * SECOND };

export class PlugProgram implements Program {
  /** What its store holds: the session that goes on, and all that are over. */
  open: Session | undefined;
  readonly closed: Session[] = [];
  readonly chargePoint: ChargePoint;
  readonly tariff: Tariff;
  private served = false;
  private readonly device: TerminalDevice;
  private readonly signing: Signing;
  private readonly world: World;
  private readonly random: Random;
  private readonly tickValue: number;
  private connector: Connector | undefined;
  /** Which process it is. */
  private run = 0;
  private clock = false;

  constructor(
    device: TerminalDevice,
    signing: Signing,
    { tariff, tickValue }: { readonly tariff: Tariff; readonly tickValue: number },
    world: World,
    random: Random,
  ) {
    this.device = device;
    this.signing = signing;
    this.tariff = tariff;
    this.tickValue = tickValue;
    this.world = world;
    this.random = random;
    this.chargePoint = new ChargePoint(world, random.fork('charge point'), (event, id) =>
      this.tell(event, id),
    );
  }

  /** Units that the gateway says are due for a session: what a checker judges. */
  dueOf(session: Session): number {
    return dueOf(session);
  }

  powerUp(): void {
    const { device, world, random, tariff, tickValue } = this;
    const entropy = { certified: true, random: (length: number) => random.bytes(length) };
    this.run += 1;
    const { run } = this;
    // A credit of an earlier process may still wait for the key that it asked.
    const durable = (what: string): void => {
      if (this.run !== run) throw new Gone();
      device.step(`plug:${what}`);
    };
    this.connector = new Connector(
      {
        context: {
          chargePoint: device.name,
          connector: 1,
          protocol: 'ocpp2.0.1',
          tariff,
          tickValue,
          zone: () => 0,
          unpaid: false,
        },
        terminal: {
          device: {
            get state() {
              return device.state;
            },
            dispatch: (event) => (this.run === run ? device.dispatch(event) : undefined),
            idle: () => device.idle(),
          },
          entropy,
        },
        store: {
          save: (session) => {
            durable('save');
            this.open = structuredClone(session);
          },
          close: (session) => {
            durable('close');
            this.closed.push(structuredClone(session));
            this.open = undefined;
          },
          served: () => this.served,
          serve: (_plug, served) => {
            durable('serve');
            this.served = served;
          },
          settle: () => undefined,
        },
        say: () => undefined,
        closed: () => undefined,
        settled: () => undefined,
        keccak256: (bytes) => this.signing.suite.keccak256(bytes),
        now: () => world.nowSeconds,
        broken: (error) => this.ended(error),
        commands: {
          start: () => this.chargePoint.startSoon(),
          stop: (_connector, transaction) => this.chargePoint.stopSoon(transaction),
        },
      },
      this.open,
    );
    world.after(random.between(BACK_MS.least, BACK_MS.most), () => this.chargePoint.connected());
    this.lookAtClock();
  }

  started(): void {}

  event(event: { readonly type: string }): void {
    this.connector?.onEvent(event);
  }

  stored(): void {}

  notice(notice: Notice): void {
    this.connector?.onNotice(notice);
  }

  powerOff(): void {
    this.run += 1;
    this.connector = undefined;
  }

  private ended(error: unknown): void {
    endProgram(error, this.device, this.world);
  }

  /** The charge point says something; false: nobody is there to hear it. */
  private tell(event: PlugEvent, id?: string): boolean {
    const { connector, world } = this;
    if (connector === undefined) return false;
    // A transaction whose record is closed is told to stop, and is not begun again.
    if (event.type === 'started' && this.isClosed(event.transaction.id)) {
      this.chargePoint.stopSoon(event.transaction.id);
      return true;
    }
    // What is told of a transaction that it does not hold is not for it.
    const isOther = id !== undefined && connector.session?.transaction?.id !== id;
    if ((event.type === 'reading' || event.type === 'ended') && isOther) return true;
    world.touched = true;
    try {
      connector.tell(event);
    } catch (error) {
      this.ended(error);
    }
    this.lookAtClock();
    return this.connector === connector;
  }

  private isClosed(id: string): boolean {
    return this.closed.some(({ transaction }) => transaction?.id === id);
  }

  /** While somebody is there, or something goes on. */
  private lookAtClock(): void {
    if (this.clock) return;
    this.clock = true;
    this.world.after(CLOCK_MS, () => {
      this.clock = false;
      const { connector } = this;
      if (connector === undefined || (connector.session === undefined && !connector.isHere)) return;
      this.tell({ type: 'clock' });
    });
  }
}

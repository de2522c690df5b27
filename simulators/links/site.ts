/**
 * Two devices of a shop with nothing simulated but their flash: the devices' own runtime and journal, real signatures,
 * this machine's clock. Either may lose its power at any flash write and before any effect, and starts again from what
 * its flash holds.
 */
import { type PayerDevice, payerDevice, type TerminalDevice, terminalDevice } from '../../device/devices.ts';
import { openJournal } from '../../device/journal/journal.ts';
import type { Link, SecureKey, Uplink } from '../../hardware/interfaces/index.ts';
import { nodeClock, nodeEntropy } from '../../hardware/boards/node/host.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { amount, channelId, type Seconds, seconds } from '../../protocol/integers.ts';
import type { Effect, Notice } from '../../protocol/machines/effects.ts';
import { payerRecords } from '../../protocol/machines/payer/books.ts';
import { terminalRecords } from '../../protocol/machines/terminal/books.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { hubPin } from '../../protocol/machines/hub-keys.ts';
import { DEFAULT_TIMING, terminalCapOf } from '../../protocol/limits.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import { PowerCut, RamFlash } from '../stage/flash/ram-flash.ts';

const secret = (n: number): Uint8Array => new Uint8Array(32).fill(n);
export const keys = {
  payer: nobleKey(secret(1)),
  till: nobleKey(secret(2)),
  payee: nobleKey(secret(4)),
  hub: secret(5),
  root: nobleKey(secret(9)),
};
/** What devices and hub are told of the hub. */
export const HUB_NAME = 'links';
export const pin = hubPin(nobleSuite, HUB_NAME, keys.root.address);
const told = { hub: pin, timing: DEFAULT_TIMING };
export const VAULT = new Uint8Array(20).fill(0xaa);
export const CHAIN_ID = 31337;
export const signing = makeSigning(nobleSuite, { chainId: CHAIN_ID, vault: VAULT });
export const CHANNEL = channelId(7);
export const DEPOSIT = amount(100_000_000);
export const SPENDABLE = amount(80_000_000);
export const BOND = amount(20_000_000);
const TAP_LIMIT = amount(1_750_000);
const DAY = 86_400;
const BANKS = { banks: 2 };
const FLASH = { size: 256 * 1024, blockSize: 4096 };

export type Side = 'payer' | 'till';
export const SIDES: readonly Side[] = ['payer', 'till'];

/** When a device loses its power: at its n-th flash operation or before its n-th effect from now on. */
export interface PowerPlan {
  readonly side: Side;
  readonly kind: 'flash' | 'effect';
  readonly at: number;
}

type Stopped = () => void;

/** A device that may die and come back. */
class Actor {
  readonly notices: Notice[] = [];
  readonly flash: RamFlash;
  device!: PayerDevice | TerminalDevice;
  dead = false;
  /** Effects so far. */
  effects = 0;
  cutAtEffect: number | undefined;
  uplink: Uplink | undefined;
  private wakers = new Set<Stopped>();

  constructor(seed: number) {
    this.flash = new RamFlash({ ...FLASH, seed });
  }

  readonly observer = {
    onEffect: (effect: Effect<{ readonly type: string }>): void => {
      this.effects += 1;
      if (this.effects === this.cutAtEffect) throw new PowerCut(`effect ${effect.type}`);
    },
    onNotice: (notice: Notice): void => {
      this.notices.push(notice);
      this.wake();
    },
    onCrash: (error: unknown): void => {
      if (!(error instanceof PowerCut)) throw error;
      this.dead = true;
      this.wake();
    },
  };

  wake(): void {
    for (const wake of [...this.wakers]) wake();
  }

  onChange(wake: Stopped): Stopped {
    this.wakers.add(wake);
    return () => this.wakers.delete(wake);
  }
}

/** The pair, its journals and what either said. */
export class Shop {
  readonly actors: Readonly<Record<Side, Actor>>;
  private readonly now: Seconds;

  private constructor(seed: number, now: Seconds) {
    this.now = now;
    this.actors = { payer: new Actor(seed), till: new Actor(seed + 1) };
  }

  /** Makes both devices, with a lease of the hub for the payer. */
  static async open(seed: number): Promise<Shop> {
    const now = seconds(Math.floor(Date.now() / 1000));
    const shop = new Shop(seed, now);
    const none = (): never[] => [];
    const hub = nobleKey(keys.hub);
    const hubKey = {
      address: hub.address,
      from: seconds(0),
      until: seconds(now + 3650 * DAY),
      epoch: 0,
      signedAt: seconds(0),
    };
    const lease = {
      channel: CHANNEL,
      payer: keys.payer.address,
      spentFrom: amount(0),
      spendLimit: SPENDABLE,
      tapLimit: TAP_LIMIT,
      cap: terminalCapOf(TAP_LIMIT),
      guarantee: amount(0),
      issuedAt: now,
      expiresAt: seconds(now + 3 * DAY),
      scope: SCOPE_ANY,
    };
    const signature = await hub.sign(signing.digest('Lease', lease));
    const payer = openJournal(shop.actors.payer.flash, BANKS);
    payer.append(payerRecords.encode({ type: 'channelOpened', channel: CHANNEL }), none);
    payer.append(payerRecords.encode({ type: 'hubKey', ...hubKey }), none);
    payer.append(payerRecords.encode({ type: 'lease', ...lease, signature, signer: hub.address }), none);
    const till = openJournal(shop.actors.till.flash, BANKS);
    till.append(terminalRecords.encode({ type: 'hubKey', ...hubKey }), none);
    for (const side of SIDES) await shop.powerUp(side);
    return shop;
  }

  get payer(): PayerDevice {
    return this.actors.payer.device as PayerDevice;
  }

  get till(): TerminalDevice {
    return this.actors.till.device as TerminalDevice;
  }

  /** A new runtime over what the flash holds; an uplink that stood stands again. */
  async powerUp(side: Side): Promise<void> {
    const actor = this.actors[side];
    actor.device?.stop();
    actor.dead = false;
    actor.flash.cutAt = undefined;
    actor.cutAtEffect = undefined;
    const host = (key: SecureKey) => ({ key, clock: nodeClock, entropy: nodeEntropy });
    const open = () => openJournal(actor.flash, BANKS);
    const device =
      side === 'payer'
        ? payerDevice(
            signing,
            {
              ...told,
              role: 'wearable',
              scheme: 'secp256k1',
              tapMax: amount(50_000_000),
              entropyCertified: true,
            },
            host(keys.payer),
            open,
            actor.observer,
          )
        : terminalDevice(signing, await this.tillSettings(), host(keys.till), open, actor.observer);
    actor.device = device;
    await device.start();
    if (actor.uplink !== undefined) device.attachUplink(actor.uplink);
  }

  private async tillSettings() {
    const expiresAt = seconds(this.now + 365 * DAY);
    const fields = { terminal: keys.till.address, payee: keys.payee.address, expiresAt };
    return {
      ...told,
      role: 'pos' as const,
      scheme: 'secp256k1' as const,
      payee: keys.payee.address,
      certificate: { expiresAt, signature: await keys.payee.sign(signing.digest('Terminal', fields)) },
      capTotal: amount(1_000_000_000),
      wideMax: amount(1_000_000_000),
      outboxMax: 64,
      lanesMax: 64,
      entropyCertified: true,
    };
  }

  /** Plans the power of one side to go; undefined: it stays. */
  plan(cut: PowerPlan | undefined): void {
    for (const side of SIDES) {
      const actor = this.actors[side];
      const own = cut?.side === side ? cut : undefined;
      actor.flash.cutAt = own?.kind === 'flash' ? actor.flash.operations + own.at : undefined;
      actor.cutAtEffect = own?.kind === 'effect' ? actor.effects + own.at : undefined;
    }
  }

  get dead(): Side | undefined {
    return SIDES.find((side) => this.actors[side].dead);
  }

  /** Gives a fresh link to a device that lives. */
  attach(side: Side, link: Link): void {
    const actor = this.actors[side];
    if (actor.dead) return link.close();
    actor.device.attachLink(link);
  }

  sale(units: number): void {
    void this.till.dispatch({
      type: 'sale',
      amount: amount(units),
      currency: 'TIME',
      challenge: nodeEntropy.random(16),
    });
  }

  /** Resolves true when `holds` does, false when it did not in time. It is looked at whenever either device says something. */
  until(holds: () => boolean, timeoutMs: number, also?: (wake: Stopped) => Stopped): Promise<boolean> {
    if (holds()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const look = (): void => {
        if (holds()) end(true);
      };
      const stops = [...SIDES.map((side) => this.actors[side].onChange(look)), also?.(look)];
      const timer = setTimeout(() => end(false), timeoutMs);
      function end(held: boolean): void {
        clearTimeout(timer);
        for (const stop of stops) stop?.();
        resolve(held);
      }
    });
  }

  /** Ends both runtimes. */
  close(): void {
    for (const side of SIDES) this.actors[side].device.stop();
  }
}

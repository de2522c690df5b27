/**
 * Taps over a serial line: real ports at either end of a wire that is in our hands. It flips bits all the time; cuts: it is
 * unplugged at any byte and plugged in again, and the power of either device goes at any flash write and before any effect.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serialLinks } from '../../hardware/boards/node/serial-link.ts';
import type { Link } from '../../hardware/interfaces/index.ts';
import { SundialError } from '../../protocol/errors.ts';
import { Random } from '../stage/world/random.ts';
import { dayOf, type DayResult } from './day.ts';
import { handIn } from './hand-in.ts';
import { LinksHub } from './hub.ts';
import { Links } from './meeting.ts';
import type { Break, Meeting } from './sale.ts';
import { Shop, type Side, SIDES } from './site.ts';

export type SerialResult = DayResult;

/** The wire is unplugged at the n-th byte of the attempt. */
export interface SerialCut {
  readonly at: number;
}

const BYTES_MAX = 700;
const FLASH_MAX = { payer: 45, till: 50 };
const EFFECTS_MAX = { payer: 7, till: 7 };
const HAND_IN_EACH = 10;
/** One byte in so many has a flipped bit. */
const FLIPPED = 4000;
const APPEAR_MS = 10_000;

/** One end of the wire: a pseudo terminal whose other side is in our hands. */
class End {
  readonly path: string;
  private child: ChildProcess | undefined;
  private readonly onBytes: (bytes: Buffer) => void;

  constructor(path: string, onBytes: (bytes: Buffer) => void) {
    this.path = path;
    this.onBytes = onBytes;
  }

  get plugged(): boolean {
    return this.child !== undefined;
  }

  async plug(): Promise<void> {
    if (this.child !== undefined) return;
    const child = spawn('socat', [`PTY,link=${this.path},raw,echo=0`, 'STDIO'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let missing = false;
    child.on('error', () => {
      missing = true;
    });
    child.stdin.on('error', () => undefined);
    child.stdout.on('data', this.onBytes);
    for (const end = Date.now() + APPEAR_MS; !existsSync(this.path); ) {
      if (missing || Date.now() > end)
        throw new SundialError('no_socat', 'no pseudo terminal can be made', {
          severity: 'process',
          remedy: 'Install socat: apt-get install socat.',
        });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    this.child = child;
  }

  write(bytes: Buffer): void {
    this.child?.stdin?.write(bytes);
  }

  /** Takes the port away, as when its converter is unplugged. */
  async unplug(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  }
}

class SerialMeeting extends Links implements Meeting<SerialCut> {
  readonly patienceMs = 4_000;
  private readonly shop: Shop;
  private readonly random: Random;
  readonly ends: Readonly<Record<Side, End>>;
  private readonly stops = new Map<Side, () => void>();
  /** The devices that the ports belong to: another one after a power cut opens its port anew. */
  private readonly owners = new Map<Side, unknown>();
  private cut: SerialCut | undefined;
  private bytes = 0;
  private happened = false;
  private unplugging: Promise<void> = Promise.resolve();

  constructor(shop: Shop, folder: string, random: Random) {
    super();
    this.shop = shop;
    this.random = random;
    this.ends = {
      payer: new End(join(folder, 'payer'), (bytes) => this.carry(bytes, 'till')),
      till: new End(join(folder, 'till'), (bytes) => this.carry(bytes, 'payer')),
    };
  }

  private carry(bytes: Buffer, to: Side): void {
    for (let i = 0; i < bytes.length; i++)
      if (this.random.below(FLIPPED) === 0) bytes[i]! ^= 1 << this.random.below(8);
    this.bytes += bytes.length;
    const { cut } = this;
    if (cut === undefined || this.bytes < cut.at) return this.ends[to].write(bytes);
    this.cut = undefined;
    this.happened = true;
    this.ends[to].write(bytes.subarray(0, Math.max(0, bytes.length - (this.bytes - cut.at))));
    this.unplugging = this.ends.payer.unplug();
    this.wake();
  }

  /** Opens the ports of devices that are new, and puts the wire in. */
  async ready(): Promise<void> {
    await this.unplugging;
    for (const side of SIDES) {
      await this.ends[side].plug();
      const { device } = this.shop.actors[side];
      if (this.owners.get(side) === device) continue;
      this.stops.get(side)?.();
      this.owners.set(side, device);
      this.stops.set(
        side,
        serialLinks(this.ends[side].path, (link: Link) => {
          if (this.owners.get(side) === this.shop.actors[side].device) this.linked(side, link, this.shop);
        }),
      );
    }
  }

  begin(cut: SerialCut | undefined): void {
    this.happened = false;
    this.bytes = 0;
    this.cut = cut;
    void this.ready();
  }

  cutHappened(): boolean {
    return this.happened;
  }

  /** The wire stays in, as a till and a board on one line do not part after each sale; a frame was lost: it is pulled. */
  async end(stalled: boolean): Promise<void> {
    this.cut = undefined;
    await this.unplugging;
    if (stalled) await this.ends.payer.unplug();
    const { dead } = this.shop;
    if (dead !== undefined) this.owners.delete(dead);
  }

  async close(): Promise<void> {
    for (const stop of this.stops.values()) stop();
    for (const side of SIDES) await this.ends[side].unplug();
  }
}

const breaks = (random: Random): Break<SerialCut>[] =>
  Array.from({ length: random.below(3) }, () => {
    const side = random.chance(500) ? 'payer' : 'till';
    switch (random.below(4)) {
      case 0:
        return { power: { side, kind: 'flash', at: 1 + random.below(FLASH_MAX[side]) } };
      case 1:
        return { power: { side, kind: 'effect', at: 1 + random.below(EFFECTS_MAX[side]) } };
      default:
        return { link: { at: 1 + random.below(BYTES_MAX) } };
    }
  });

/** Taps until both numbers are reached; compares the books. Rejects with `no_socat`. */
export async function runSerial(options: {
  readonly seed: number;
  readonly taps: number;
  readonly cuts: number;
  say(text: string): void;
}): Promise<SerialResult> {
  const random = new Random(options.seed).fork('serial');
  const folder = mkdtempSync(join(tmpdir(), 'sundial-wire-'));
  const shop = await Shop.open(options.seed);
  const hub = await LinksHub.start();
  const meeting = new SerialMeeting(shop, folder, random.fork('wire'));
  try {
    await meeting.ready();
    return await dayOf({
      name: 'serial',
      shop,
      hub,
      meeting,
      taps: options.taps,
      cuts: options.cuts,
      handInEach: HAND_IN_EACH,
      breaks: () => breaks(random),
      handIn: () => handIn(shop, hub.url),
      say: (text) => options.say(text),
    });
  } finally {
    await meeting.close();
    shop.close();
    hub.discard();
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * One device as a process: its folder is locked, its machine runs on the device runtime, notices are printed, and with
 * --control it takes commands as JSON lines on stdin. It may be killed at any moment and started again.
 */
import { createInterface } from 'node:readline';
import type { Runtime } from '../../../../device/runtime.ts';
import { nodeClock, nodeEntropy } from '../host.ts';
import { parseLink } from '../links/address.ts';
import { type OpenTap, openTap } from '../links/open.ts';
import { makeLogin } from '../login.ts';
import { openUplink } from '../links/uplink.ts';
import type { IntentPolicy } from '../../../../device/links/intent.ts';
import type { Link } from '../../../interfaces/index.ts';
import { toHex } from '../../../../protocol/bytes.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import type { Effect, Notice } from '../../../../protocol/machines/effects.ts';
import { type DeviceFolder, lockDevice } from './device-folder.ts';
import type { Magic } from './magic.ts';
import { formatMoney } from './money.ts';
import { haltPoint } from './halt-points.ts';
import { invitedLink, type Sticker } from '../links/sticker.ts';
import { namedForMachine } from './machine-errors.ts';
import { fail, type Line, makeOutput, type Output } from './output.ts';

export interface DeviceOptions {
  readonly json: boolean;
  readonly control: boolean;
  /** The way to the hub: see links/uplink.ts; absent: no network. */
  readonly hub?: string | undefined;
  /** Address of the tap link: see links/address.ts. */
  readonly tap: string;
  /** When a payer's radio may be found. */
  readonly intent: IntentPolicy;
  /** The sticker that was scanned: no other terminal is paid. */
  readonly sticker?: Sticker | undefined;
  /** What is wrong with this device, for tests of tills. */
  readonly magic?: Magic | undefined;
  /** Stops dead before the first effect of this kind (`persist:intent`, `send:receipt`, ...), for crash tests. */
  readonly haltAt?: string | undefined;
}

/** One side of a link of two displays. */
export type Codes = Required<Pick<OpenTap, 'scan' | 'shown'>>;

/** A command on stdin, and what it does. */
export type Controls = Readonly<Record<string, (value: unknown) => void | Promise<void>>>;

type AnyRuntime = Pick<
  Runtime<unknown, { books: unknown }, never, { type: string }>,
  'attachLink' | 'attachUplink' | 'detachUplink' | 'stop' | 'start' | 'frozen'
>;

/** `persist:intent`, `send:voucher`, `sign`: the name of an effect for --halt-at. */
export function effectName(effect: Effect<{ readonly type: string }>): string {
  switch (effect.type) {
    case 'persist':
      return `persist:${effect.record.type}`;
    case 'send':
    case 'upload':
      return `${effect.type}:${effect.message.type}`;
    case 'notify':
      return `notify:${effect.notice.type}`;
    case 'sign':
      return 'sign';
  }
}

/** Blocks this thread for good: nothing runs any more, as if the power were gone. Only SIGKILL ends it. */
function stopDead(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

export function describe(notice: Notice): string {
  switch (notice.type) {
    case 'approved':
      return `APPROVED ${formatMoney(notice.amount)} (channel ${notice.channel})`;
    case 'streamOpened':
      return `stream opened, up to ${notice.ticks} ticks (channel ${notice.channel})`;
    case 'deliver':
      return `tick ${notice.k} paid, delivering ${formatMoney(notice.value)} worth`;
    case 'sessionOver':
      return `session over after ${notice.ticks} ticks: ${notice.reason}`;
    case 'voided':
      return `late voucher void, ${formatMoney(notice.amount)} credited`;
    case 'writtenOff':
      return `written off, the terminal never took it: ${formatMoney(notice.amount)}`;
    case 'refused':
      return `refused by ${notice.by}: ${notice.code}`;
    case 'requested':
      return `asking for ${notice.amount === 0 ? 'a closing voucher or a stream' : formatMoney(notice.amount)}`;
    case 'confirmWanted':
      return `above its limits: pay ${formatMoney(notice.amount)} to ${toHex(notice.payee).slice(0, 10)}?`;
    case 'clearing':
      return `above the offline limits, asking the hub for ${formatMoney(notice.amount)}`;
    case 'cleared':
      return `cleared by the hub: ${formatMoney(notice.amount)}`;
    case 'signing':
      return `intent stored: seq ${notice.seq}, ${formatMoney(notice.amount)} to ${toHex(notice.payee).slice(0, 10)}`;
    case 'paid':
      return `PAID ${formatMoney(notice.amount)}, receipt stored`;
    case 'tickPaid':
      return `tick ${notice.k} answered`;
    case 'endWanted':
      return 'the car wants to stop';
    case 'acknowledged':
      return `acknowledged by the hub: ${toHex(notice.entry).slice(0, 14)}`;
    case 'settled':
      return `settled on L2: channel ${notice.channel}, lane at ${formatMoney(notice.paid)}`;
    case 'lease':
      return `lease up to ${formatMoney(notice.spendLimit)} spent`;
    case 'time':
      return `the hub's time: ${new Date(notice.at * 1000).toISOString()}`;
  }
}

export class DeviceProcess {
  readonly folder: DeviceFolder;
  readonly output: Output;
  readonly host;
  private readonly options: DeviceOptions;
  private readonly unlock: () => Promise<void>;
  /** The codes of a link between two displays: what is shown, and what a camera saw; undefined on any other link. */
  codes: Codes | undefined;
  private readonly closers: (() => void)[] = [];
  private haltAt: string | undefined;
  private timeSaid = false;
  private listeners: ((notice: Notice) => void)[] = [];
  private storedListeners: ((record: never) => void)[] = [];
  private connect: ((url: unknown) => void) | undefined;

  /** Locks the folder. Throws `device_on_board` and `device_in_use`. */
  static async open(folder: DeviceFolder, options: DeviceOptions): Promise<DeviceProcess> {
    const unlock = await lockDevice(folder.path);
    folder.refuseOnBoard();
    return new DeviceProcess(folder, options, unlock);
  }

  private constructor(folder: DeviceFolder, options: DeviceOptions, unlock: () => Promise<void>) {
    this.folder = folder;
    this.options = options;
    this.haltAt = options.haltAt;
    this.unlock = unlock;
    this.output = makeOutput(folder.file.name, options.json);
    this.host = { key: folder.key(), clock: options.magic?.clock ?? nodeClock, entropy: nodeEntropy };
  }

  /** Effects, notices and faults as lines; and the halt that crash tests ask for. */
  readonly observer = {
    onEffect: (effect: Effect<{ readonly type: string }>): void => {
      if (this.haltAt !== undefined) this.before(effectName(effect));
    },
    onNotice: (notice: Notice): void => {
      const { type, ...facts } = notice;
      // Beacons come every minute or so; a person wants to see the first.
      const again = type === 'time' && this.timeSaid && !this.options.json;
      this.timeSaid ||= type === 'time';
      if (!again) this.output.say(describe(notice), { event: type, ...facts });
      for (const listener of this.listeners) listener(notice);
    },
    onStored: (record: { readonly type: string }): void => {
      for (const listener of this.storedListeners) listener(record as never);
    },
    onFault: (fault: { code: string; message: string; frozen: boolean }): void => {
      process.stderr.write(`${this.folder.file.name}: ${fault.message}${fault.frozen ? ' (frozen)' : ''}\n`);
      this.output.say(`fault ${fault.code}`, { event: 'fault', code: fault.code, frozen: fault.frozen });
    },
  };

  /** The way to its hub: what the command said, else what its enrolment gave; undefined when it is to have no network. */
  get hubUrl(): string | undefined {
    const url = this.options.hub ?? this.folder.file.hubUrl;
    return url === 'none' ? undefined : url;
  }

  onNotice(listener: (notice: Notice) => void): void {
    this.listeners.push(listener);
  }

  /** Called with each record of the machine as soon as it is durable, before anything is said of it. */
  onStored<R extends { readonly type: string }>(listener: (record: R) => void): void {
    this.storedListeners.push(listener);
  }

  /** Stops dead here when a crash test asked for this very point. */
  before(point: string): void {
    if (point !== this.haltAt) return;
    this.output.say(`halted before ${point}`, { event: 'halted', at: point });
    stopDead();
  }

  /** Called when the process ends by itself or is asked to. */
  onExit(close: () => void): void {
    this.closers.push(close);
  }

  /** Meets the hub anew, so that it is asked and told everything at once. Throws `no_hub`. */
  reconnect(): void {
    if (this.hubUrl === undefined || this.connect === undefined)
      throw new SundialError('no_hub', 'this device was given no way to a hub', {
        severity: 'call',
        remedy: 'Start it with --hub, or enrol it (`sundial device provision`).',
      });
    this.connect(this.hubUrl);
  }

  /** Boots the device, puts it on its links, and obeys stdin. `status` gives the line that the command prints. */
  async run(
    runtime: AnyRuntime,
    side: 'payer' | 'terminal',
    controls: Controls,
    status: () => Line,
    onLink: () => void = () => undefined,
  ): Promise<void> {
    await runtime.start();
    this.closers.push(() => runtime.stop());
    const { sticker } = this.options;
    const attach = (given: Link): void => {
      const { magic } = this.options;
      const link = magic?.link === undefined ? given : magic.link(given);
      if (link === undefined) return this.output.say('playing back', { event: 'replaying' });
      const other = (terminal: Uint8Array): void =>
        this.output.say(
          `other_terminal: ${toHex(terminal)} answers, and not the terminal of "${sticker?.place}": nothing is paid`,
          { event: 'otherTerminal', terminal },
        );
      runtime.attachLink(sticker === undefined ? link : invitedLink(link, sticker, other));
      onLink();
    };
    if (sticker !== undefined)
      this.output.say(`the sticker is of "${sticker.place}"; end this if you stand elsewhere`, {
        event: 'place',
        place: sticker.place,
        terminal: sticker.terminal,
        payee: sticker.payee,
      });
    const { intent } = this.options;
    const tap = await openTap(parseLink(this.options.tap), {
      side,
      intent,
      onLink: attach,
      say: (text) => this.output.say(text, { event: 'link', state: text }),
    });
    this.closers.push(() => tap.close());
    const { scan, shown } = tap;
    if (scan !== undefined && shown !== undefined) this.codes = { scan, shown };
    this.onNotice((notice) => tap.notice?.(notice));
    const { signing, site, path } = this.folder;
    const login = makeLogin({ folder: path, key: this.host.key, hub: site.hub, signing });
    const connect = (url: unknown): void => {
      runtime.detachUplink();
      const { file, address } = this.folder;
      runtime.attachUplink(openUplink(String(url), { hub: file.hub, address, fail, login }));
    };
    this.connect = connect;
    if (this.hubUrl !== undefined) connect(this.hubUrl);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => this.exit(0));
    const all: Controls = {
      ...controls,
      ...(tap.press !== undefined && { press: () => tap.press?.() }),
      ...(tap.scan !== undefined && { scan: (text) => tap.scan?.(String(text)) }),
      connect,
      disconnect: () => {
        runtime.detachUplink();
        this.output.say('no network', { event: 'disconnected' });
      },
      haltAt: (value) => {
        this.haltAt = haltPoint(String(value));
      },
      status: () => this.output.say(JSON.stringify(status()), { event: 'status', ...status() }),
      stop: () => this.exit(0),
    };
    this.output.say('ready', {
      event: 'ready',
      address: this.folder.address,
      frozen: runtime.frozen,
      ...(this.options.control && { controls: Object.keys(all) }),
    });
    // Whoever starts it by hand holds it to a till.
    if (!this.options.control) {
      tap.press?.();
      // A scanner types what it reads.
      if (tap.scan !== undefined)
        createInterface({ input: process.stdin }).on('line', (text) => tap.scan?.(text));
    }
    if (this.options.control) this.obey(all);
  }

  private obey(controls: Controls): void {
    const lines = createInterface({ input: process.stdin });
    // A device that says no to one wish goes on with the next.
    const refused = (error: unknown): void => {
      process.stderr.write(`${this.folder.file.name}: ${namedForMachine(error).message}\n`);
    };
    lines.on('line', (line) => void act(controls, line).catch(refused));
    lines.on('close', () => this.exit(0));
  }

  exit(code: number): never {
    for (const close of this.closers) close();
    // The kernel would do it, too; whoever waits for the folder need not wait for that.
    void this.unlock();
    process.exit(code);
  }
}

/** Carries out one line of stdin, such as `{"sale":"4.50"}`. Rejects with `bad_control`, or what the control throws. */
async function act(controls: Controls, line: string): Promise<void> {
  const known = `Give one of ${Object.keys(controls).join(', ')}, as {"name":value}.`;
  const bad = (what: string): SundialError =>
    new SundialError('bad_control', what, { severity: 'call', remedy: known });
  let wish: object;
  try {
    wish = Object(JSON.parse(line));
  } catch {
    throw bad(`"${line.slice(0, 80)}" is no JSON`);
  }
  const [[name, value] = ['', undefined]] = Object.entries(wish);
  if (!Object.hasOwn(controls, name)) throw bad(`unknown command "${name}"`);
  await controls[name]!(value);
}

/**
 * Runs an image under QEMU, for the command line and the tests: starts it with a state folder, hands out its console
 * lines, and injects through the control page what hardware does: power cuts, worn-out blocks, no entropy.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SundialError } from '../../../../protocol/errors.ts';
import { emulator } from '../emulator.mjs';

export interface Image {
  readonly role: string;
  readonly profile: string;
  readonly image: string;
  readonly flashBytes: number;
  readonly archiveBytes: number;
  readonly ramCapBytes: number;
}

/**
 * Builds an image, or takes the one that is there. `root` is the project's folder; `tests` adds the commands of crash
 * tests, which no product has.
 */
export async function buildImage(
  root: string,
  role: string,
  profile = 'native',
  tests = false,
): Promise<Image> {
  const script = join(root, 'hardware/boards/mps2-an386/build.mjs');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [script, '--role', role, '--profile', profile, ...(tests ? ['--tests'] : [])],
    {
      cwd: root,
      maxBuffer: 1 << 24,
    },
  );
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Image;
}

/** Words of the control page, in the order of board.h. */
const controlWords = [
  'cutAfter',
  'writes',
  'cuts',
  'wornBlock',
  'boots',
  'noEntropy',
  'rtc',
  'restart',
] as const;
export type ControlWord = (typeof controlWords)[number];

/** The file behind a board's flash; it stays when the emulator is killed. */
export class BoardMemory {
  readonly path: string;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.path = join(folder, 'flash.img');
    if (existsSync(this.path)) this.checkFormat();
    else this.make();
  }

  /** Erased flash, whole or not at all. */
  private make(): void {
    const partial = `${this.path}.${process.pid}`;
    const file = openSync(partial, 'w');
    writeSync(file, Buffer.alloc(emulator.flashBytes, 0xff));
    ftruncateSync(file, emulator.memoryBytes);
    closeSync(file);
    renameSync(partial, this.path);
  }

  /** The last byte of the flash is never written, so it is erased: 0xff. Earlier files held complements of all bytes. */
  private checkFormat(): void {
    if (this.flash(emulator.flashBytes - 1, 1)[0] === 0xff) return;
    throw new SundialError('flash_format', `${this.path} is no flash of this version of the board`, {
      severity: 'process',
      remedy: 'Let the version that made it hand in what it holds, then take a fresh folder.',
    });
  }

  private access<T>(use: (file: number) => T): T {
    const file = openSync(this.path, 'r+');
    try {
      return use(file);
    } finally {
      closeSync(file);
    }
  }

  read(word: ControlWord): number {
    const bytes = Buffer.alloc(4);
    this.access((file) =>
      readSync(file, bytes, 0, 4, emulator.controlOffset + 4 * controlWords.indexOf(word)),
    );
    return bytes.readUInt32LE();
  }

  set(word: ControlWord, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    this.access((file) =>
      writeSync(file, bytes, 0, 4, emulator.controlOffset + 4 * controlWords.indexOf(word)),
    );
  }

  /** The bytes that the board's random source starts from; without them it has none. */
  setSeed(seed: Uint8Array): void {
    this.access((file) => writeSync(file, seed, 0, 32, emulator.controlOffset + 32));
  }

  flash(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.access((file) => readSync(file, bytes, 0, length, offset));
    return bytes;
  }

  /** Writes flash behind the board's back: a programmer's work, or damage. */
  program(offset: number, bytes: Uint8Array): void {
    this.access((file) => writeSync(file, bytes, 0, bytes.length, offset));
  }
}

/** A process that is killed with -9 must not leave its board running: the kernel then ends it too. */
const dieWithParent = ['setpriv', '--pdeathsig', 'KILL'];

export interface EmulatorOptions {
  readonly image: string;
  readonly memory: BoardMemory;
  /**
   * UNIX socket of the tap link: this board listens on it, or connects to another device's. Or a pseudo terminal, whose
   * path `tapPath` then resolves to.
   */
  readonly tap?: { readonly path: string; readonly listen: boolean } | 'pty';
  /** True gives the uplink a pseudo terminal, whose path `uplinkPath` then resolves to. */
  readonly uplink?: boolean;
  /** Counts instructions exactly: virtual time then follows them, one a nanosecond. */
  readonly icount?: boolean;
  /** Unix seconds of the board's battery-backed clock; 0: it has none. Without it, this computer's time. */
  readonly realTime?: number;
  /** 32 bytes; fixed ones make a run repeatable. */
  readonly seed?: Uint8Array;
}

function tapDevice(tap: EmulatorOptions['tap']): string | undefined {
  if (tap === undefined || tap === 'pty') return tap;
  return `socket,path=${tap.path},${tap.listen ? 'server=on,wait=off' : 'reconnect=1'}`;
}

/** QEMU's flags for one UART; undefined: nothing is connected to it. */
function serial(name: string, device: string | undefined): string[] {
  return device === undefined
    ? ['-serial', 'null']
    : ['-chardev', `${device},id=${name}`, '-serial', `chardev:${name}`];
}

/** A line that an image prints; bytes are hex. */
export interface BoardEvent {
  readonly event: string;
  readonly [field: string]: unknown;
}

export class Emulator {
  readonly memory: BoardMemory;
  readonly lines: string[] = [];
  readonly closed: Promise<void>;
  private readonly child: ChildProcess;
  private readonly waiting = new Set<() => void>();
  private rest = '';
  private errors = '';
  private over = false;

  constructor(options: EmulatorOptions) {
    this.memory = options.memory;
    this.memory.setSeed(options.seed ?? randomBytes(32));
    this.memory.set('rtc', options.realTime ?? Math.floor(Date.now() / 1000));
    const [program, ...before] = dieWithParent;
    this.child = spawn(
      program!,
      [
        ...before,
        emulator.program,
        ...emulator.machine(options.memory.path),
        ...(options.icount ? ['-icount', 'shift=0'] : []),
        '-serial',
        'stdio',
        ...serial('tap', tapDevice(options.tap)),
        ...serial('uplink', options.uplink ? 'pty' : undefined),
        '-kernel',
        options.image,
      ],
      { stdio: ['pipe', 'pipe', 'pipe'] },
    );
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => this.take(text));
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
      this.wake();
    });
    this.closed = new Promise((resolve) => {
      this.child.on('error', (error) => {
        this.errors += `${error.message} (apt-get install ${emulator.apt})\n`;
        this.over = true;
        this.wake();
        resolve();
      });
      this.child.on('close', () => {
        this.over = true;
        this.wake();
        resolve();
      });
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  private take(text: string): void {
    // QEMU announces pseudo terminals on the same stream.
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop()!;
    this.lines.push(...lines.map((line) => line.replace(/\r$/, '')));
    this.wake();
  }

  private wake(): void {
    for (const check of [...this.waiting]) check();
  }

  /** Resolves as soon as `find` gives something; rejects when the emulator ends or `timeoutMs` pass. */
  private until<T>(what: string, find: () => T | undefined, timeoutMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const finish = (act: () => void): void => {
        clearTimeout(timeout);
        this.waiting.delete(check);
        act();
      };
      const fail = (why: string): void =>
        finish(() => reject(new Error(`${why} before ${what}:\n${this.lines.join('\n')}\n${this.errors}`)));
      const check = (): void => {
        const found = find();
        if (found !== undefined) finish(() => resolve(found));
        else if (this.over) fail('the emulator ended');
      };
      const timeout = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs);
      this.waiting.add(check);
      check();
    });
  }

  /** The first console line from `from` on that matches; `from` counts lines since the start. */
  line(pattern: RegExp, { from = 0, timeoutMs = 20_000 } = {}): Promise<string> {
    return this.until(
      String(pattern),
      () => this.lines.slice(from).find((line) => pattern.test(line)),
      timeoutMs,
    );
  }

  /** Types a line on the board's console. */
  type(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }

  /** The first event of a type from line `from` on, parsed. */
  async event(type: string, options: { from?: number; timeoutMs?: number } = {}): Promise<BoardEvent> {
    const line = await this.line(new RegExp(`^\\{"event":"${type}"`), options);
    return JSON.parse(line) as BoardEvent;
  }

  /** Path of the uplink's pseudo terminal. */
  uplinkPath(): Promise<string> {
    return this.terminalOf('uplink');
  }

  /** Path of the tap link's pseudo terminal. */
  tapPath(): Promise<string> {
    return this.terminalOf('tap');
  }

  private terminalOf(line: string): Promise<string> {
    const pattern = new RegExp(`char device redirected to (\\S+) \\(label ${line}\\)`);
    return this.until(
      `the terminal of ${line}`,
      () => pattern.exec(this.errors)?.[1] ?? pattern.exec(this.lines.join('\n'))?.[1],
      10_000,
    );
  }

  /** Called with every line from now on. */
  onLine(take: (line: string) => void): void {
    let taken = this.lines.length;
    this.waiting.add(() => {
      while (taken < this.lines.length) take(this.lines[taken++]!);
    });
  }

  /** Ends the process as a power cut would: at once, wherever it is. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.closed;
  }
}

/** Runs a program on the XS host as a process of its own: lines in on stdin, lines out on stdout. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface ReplayProgram {
  /** Path of the runner. */
  readonly host: string;
  readonly bundle: string;
}

/** Builds the program that plays a device's recorded day. `root` is the project's folder. */
export async function buildReplay(root: string, kind: 'payer' | 'terminal'): Promise<ReplayProgram> {
  const script = join(root, 'hardware/boards/xs-host/build.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [script, '--replay', kind], { cwd: root });
  return JSON.parse(stdout) as ReplayProgram;
}

/**
 * KiB of RAM, counted as on a 32-bit chip. An image keeps the engine's built-ins and the program in flash and has 192;
 * here both lie in RAM and take the rest.
 */
const RAM_KIB = 512;

export interface XsProcessOptions extends ReplayProgram {
  /** The file behind its flash. */
  readonly flash: string;
  readonly onLine: (line: string) => void;
  /** Called once when the process has ended, with what it said of that. */
  readonly onEnd: (why: string) => void;
}

export class XsProcess {
  private readonly child: ChildProcess;
  private readonly closed: Promise<void>;
  private rest = '';
  private errors = '';

  constructor({ host, bundle, flash, onLine, onEnd }: XsProcessOptions) {
    this.child = spawn(host, ['--ram', String(RAM_KIB), '--flash', flash, bundle], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.rest + text).split('\n');
      this.rest = lines.pop()!;
      for (const line of lines) onLine(line);
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
    // A process that has just ended takes no line any more; its end says why.
    this.child.stdin!.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      this.child.on('error', (error) => {
        this.errors += error.message;
      });
      this.child.on('close', (code, signal) => {
        resolve();
        onEnd(this.errors.trim() || `the process ended with ${signal ?? code}`);
      });
    });
  }

  send(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }

  /** Ends the process as a power cut would. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.closed;
  }
}

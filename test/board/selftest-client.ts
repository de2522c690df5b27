/** Talks to the image `selftest` over the tap link's socket. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoardMemory, buildImage, Emulator } from '../../hardware/boards/mps2-an386/host/emulator.ts';

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
export const word = (value: number): Uint8Array => {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return new Uint8Array(out);
};

export class SelfTest {
  readonly folder = mkdtempSync(join(tmpdir(), 'sundial-board-'));
  readonly memory = new BoardMemory(this.folder);
  board!: Emulator;
  private socket!: Socket;
  private readonly answers: string[] = [];
  private waiting: ((line: string) => void)[] = [];

  async start({ icount = false, seed = new Uint8Array(32).fill(1) } = {}): Promise<this> {
    const { image } = await buildImage(process.cwd(), 'selftest');
    const path = join(this.folder, 'tap');
    this.board = new Emulator({ image, memory: this.memory, tap: { path, listen: true }, icount, seed });
    await this.board.line(/^selftest ready$/);
    this.socket = connect(path);
    await new Promise<void>((resolve, reject) => this.socket.once('connect', resolve).once('error', reject));
    let rest = '';
    this.socket.setEncoding('latin1').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        const waiting = this.waiting.shift();
        if (waiting) waiting(line);
        else this.answers.push(line);
      }
    });
    return this;
  }

  /** Sends bytes as they are. */
  raw(data: Uint8Array | string): void {
    this.socket.write(data);
  }

  /** Sends a line without waiting for an answer. */
  tell(operation: string, ...values: Uint8Array[]): void {
    this.socket.write(`${[operation, ...values.map(hex)].join(' ')}\n`);
  }

  async ask(operation: string, ...values: Uint8Array[]): Promise<string> {
    this.tell(operation, ...values);
    const answer = this.answers.shift();
    return answer ?? new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Runs an operation that faults, and waits until the board serves again. */
  async provoke(operation: string, ...values: Uint8Array[]): Promise<string> {
    const from = this.board.lines.length;
    this.tell(operation, ...values);
    const named = await this.board.line(/^restarted after fault: /, { from });
    await this.board.line(/^selftest ready$/, { from });
    return named.replace('restarted after fault: ', '');
  }

  async stop(): Promise<void> {
    this.socket?.destroy();
    await this.board?.kill();
    rmSync(this.folder, { recursive: true });
  }
}

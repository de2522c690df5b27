/**
 * A device's day on a chip: the program that plays it runs in a process of its own, is told one event after the other
 * as a line of text, and loses its power by kill -9. What it stored lies in the file behind its flash.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoardMemory } from '../../../hardware/boards/mps2-an386/host/emulator.ts';
import { journalOf, partBytes, storedBy } from '../../../hardware/boards/mps2-an386/host/factory.ts';
import { toldLine } from '../../../hardware/replay/lines.ts';
import type { Told } from '../../../hardware/replay/replayed-device.ts';
import type { Setup } from '../../../hardware/replay/serve.ts';
import type { Engine, Living } from '../../scenarios/replay.ts';

/** A chip that is switched on. */
export interface RunningChip {
  send(line: string): void;
  /** Takes its power away. Resolves when it is gone. */
  kill(): Promise<void>;
}

/** Switches a chip on over the flash in `memory`. */
export interface ChipKind {
  /** What the factory does besides the journal; returns what the chip is to be told of its key, if anything. */
  provision(memory: BoardMemory, living: Living): Pick<Setup, 'secret'>;
  switchOn(
    memory: BoardMemory,
    living: Living,
    onLine: (line: string) => void,
    onEnd: (why: string) => void,
  ): RunningChip;
}

/** The longest that one event may take: a hundred times what the slowest needs on a busy computer. */
const EVENT_MS = 60_000;

export class ChipEngine implements Engine {
  private readonly folder = mkdtempSync(join(tmpdir(), 'sundial-chip-'));
  private readonly memory = new BoardMemory(this.folder);
  private readonly kind: ChipKind;
  private readonly living: Living;
  private readonly setup: string;
  private chip: RunningChip | undefined;
  private lines: string[] = [];
  /** Called when the chip is done with what it was told, or can't be any more. */
  private settle: () => void = () => undefined;

  constructor(kind: ChipKind, living: Living) {
    this.kind = kind;
    this.living = living;
    const { domain, settings } = living;
    const part = living.part === undefined ? {} : { part: 1 };
    this.setup = toldLine({
      domain,
      settings,
      ...part,
      ...kind.provision(this.memory, living),
    } satisfies Setup);
    // What stands on a part that may fail comes with each power-up.
    if (living.part !== undefined) return;
    const journal = journalOf(this.memory);
    for (const payload of living.stored) journal.append(payload, () => []);
  }

  async play(told: Told, part?: Uint8Array): Promise<readonly string[]> {
    if (told.type === 'boot') {
      const failed = await this.powerCycle(part);
      if (failed !== undefined) return failed;
    }
    return this.ask(toldLine(told));
  }

  /** Off and on again. Resolves with the lines of what went wrong. */
  private async powerCycle(part: Uint8Array | undefined): Promise<readonly string[] | undefined> {
    await this.chip?.kill();
    if (part !== undefined) this.memory.program(0, part);
    const ready = await this.until('ready', () => {
      this.chip = this.kind.switchOn(
        this.memory,
        this.living,
        (line) => this.take(line),
        (why) => this.stopped(why),
      );
    });
    if (ready.length > 0) return ready;
    const heard = await this.ask(this.setup);
    return heard.length > 0 ? heard : undefined;
  }

  private ask(line: string): Promise<readonly string[]> {
    return this.until('done', () => this.chip?.send(line));
  }

  private last = '';

  /** Collects the lines between `begin` and the line `last`. */
  private until(last: string, begin: () => void): Promise<readonly string[]> {
    this.lines = [];
    this.last = last;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.stopped(`silent for ${EVENT_MS} ms`), EVENT_MS);
      this.settle = () => {
        clearTimeout(timer);
        this.settle = () => undefined;
        resolve(this.lines);
      };
      begin();
    });
  }

  private take(line: string): void {
    if (line === this.last) this.settle();
    else if (line.startsWith('fault: ')) this.stopped(line);
    // Before it serves a board also says what it is.
    else if (this.last === 'done') this.lines.push(line);
  }

  private stopped(why: string): void {
    this.lines.push(`stopped: ${why}`);
    this.settle();
  }

  async stored(): Promise<readonly Uint8Array[]> {
    await this.chip?.kill();
    return storedBy(this.memory);
  }

  async content(): Promise<Uint8Array> {
    await this.chip?.kill();
    return this.memory.flash(0, partBytes);
  }

  async close(): Promise<void> {
    await this.chip?.kill();
    rmSync(this.folder, { recursive: true });
  }
}

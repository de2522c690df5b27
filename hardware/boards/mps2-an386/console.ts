/** The console: notices out as JSON lines, commands in, one a line. What a display and a keypad are on a product. */
import type { Effect, Notice } from '../../../protocol/machines/effects.ts';
import type { Fault } from '../../../device/runtime.ts';
import { crashCommands, haltsBefore } from './crash.ts';
import { openPort } from './link.ts';
import { board, port } from './natives.ts';
import { hex } from './settings.ts';

/** A command is a word and a number; a longer line is noise. */
const lineMax = 80;

/** XS marks what it stringifies, which values in flash can't take: objects go through a copy. */
function plain(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return hex(value);
  if (Array.isArray(value)) return [...value];
  return typeof value === 'object' && value !== null ? { ...value } : value;
}

export function say(line: Readonly<Record<string, unknown>>): void {
  board.print(`${JSON.stringify(line, plain)}\n`);
}

export const observer = {
  // Stops dead where a crash test wants the power to fail. Nobody feeds the watchdog then.
  ...(haltsBefore && {
    onEffect(effect: Effect<{ readonly type: string }>): void {
      if (!haltsBefore!(effect)) return;
      say({ event: 'halted' });
      for (;;);
    },
  }),
  onNotice(notice: Notice): void {
    const { type, ...facts } = notice;
    say({ event: type, ...facts });
  },
  onFault(fault: Fault): void {
    say({ event: 'fault', code: fault.code, frozen: fault.frozen });
  },
};

export type Commands = Readonly<Record<string, (value: number) => unknown>>;

/** Obeys lines such as `sale 4500000`. An unknown one is answered, never executed. */
export function takeCommands(commands: Commands): void {
  let line = '';
  openPort(port.console, (bytes) => {
    for (const byte of bytes) {
      if (byte !== 10) {
        if (line.length < lineMax) line += String.fromCharCode(byte);
        continue;
      }
      const [name, value] = line.split(' ');
      line = '';
      const command = commands[name ?? ''] ?? crashCommands[name ?? ''];
      if (command === undefined) say({ event: 'unknown_command' });
      else command(Number(value ?? 0));
    }
  });
}

/** Bytes of RAM by use, at their highest since the start. */
export function memoryUse(): Record<string, number> {
  const [stack, data, tables] = [0, 1, 2].map((use) => board.ram(use));
  const uses = [0, 1, 2, 3, 4, 5].map((use) => board.memory(use));
  const [arena, chunks, slots, values, liveChunks, liveSlots] = uses;
  return {
    total: stack! + data! + tables! + arena!,
    stack: stack!,
    data: data!,
    tables: tables!,
    arena: arena!,
    chunks: chunks!,
    slots: slots!,
    values: values!,
    liveChunks: liveChunks!,
    liveSlots: liveSlots!,
  };
}

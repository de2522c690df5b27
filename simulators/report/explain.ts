/** One payment's life out of a trace: every decision that names it, and what its devices went through meanwhile. */
import type { TraceLine } from '../stage/world/trace.ts';

/** Decisions of a device that say something about a payment nearby. */
const AROUND = new Set(['cut', 'boot', 'frozen', 'fault', 'refused', 'signing', 'requested']);
const AROUND_MS = 30_000;

/** `payment`: the first digits of a voucher's digest. Without it, the first that was voided, or else the first paid. */
export function explain(lines: readonly TraceLine[], payment?: string): string {
  const wanted =
    payment ??
    lines.find(({ decision }) => decision === 'voided')?.payment ??
    lines.find(({ decision }) => decision === 'paid')?.payment;
  const own = lines.filter((line) => wanted !== undefined && line.payment?.startsWith(wanted));
  if (own.length === 0) return `no decision of the trace names ${wanted ?? 'a payment'}`;
  const actors = new Set(own.map(({ actor }) => actor));
  const from = own[0]!.atMs - AROUND_MS;
  const until = own.at(-1)!.atMs + AROUND_MS;
  const shown = lines.filter(
    (line) =>
      own.includes(line) ||
      (actors.has(line.actor) && AROUND.has(line.decision) && line.atMs >= from && line.atMs <= until),
  );
  const text = shown.map((line) => {
    const seconds = `${Math.floor(line.atMs / 1000)}.${String(line.atMs % 1000).padStart(3, '0')}`;
    const mark = own.includes(line) ? '*' : ' ';
    const numbers = line.words ?? [line.a, line.b].filter((value) => value !== 0).join(' ');
    return `${mark} ${seconds.padStart(12)} s  ${line.actor.padEnd(14)} ${line.decision.padEnd(13)} ${numbers}`;
  });
  return [`payment ${own[0]!.payment}`, ...text].join('\n');
}

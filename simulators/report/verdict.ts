/** The first line of every summary: that promises held says nothing yet of whether anybody could pay. */
import {
  type Expected,
  type GroupService,
  SERVICE_LOW,
  type Service,
  TERMINAL_LOW,
  type TerminalService,
} from './service.ts';

export const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');

/** 987 in 1,000 as `98.7 %`. */
export const percent = (rate: number): string => `${Math.floor(rate / 10)}.${rate % 10} %`;

/** Names that one sentence holds. */
const NAMES_MAX = 5;

function named(names: readonly string[]): string {
  const more = names.length - NAMES_MAX;
  return more > 0 ? `${names.slice(0, NAMES_MAX).join(', ')} and ${more} more` : names.join(', ');
}

const served = ({ sales, serviceRate }: Service): string =>
  serviceRate === null
    ? 'no sale was asked'
    : `${grouped(sales.approved)} of ${grouped(sales.asked)} sales approved (${percent(serviceRate)})`;

/** Why most of those sales failed that did. */
function mostly({ sales, refusals }: Service): string {
  const [worst] = Object.entries(refusals);
  const causes: [string, number][] = [
    ['no power at the terminal', sales.powerOff],
    ['customers who walked off', sales.walkedAway],
    ['no answer in time', sales.unanswered],
    ...(worst === undefined ? [] : [[worst[0], worst[1]] as [string, number]]),
  ];
  const [cause, count] = causes.sort((a, b) => b[1] - a[1])[0]!;
  return `mostly ${cause} (${grouped(count)})`;
}

function warningsOf(
  all: Service,
  groups: readonly GroupService[],
  worst: TerminalService | undefined,
): string[] {
  const warnings: string[] = [];
  const isLow = ({ serviceRate }: Service): boolean => serviceRate !== null && serviceRate < SERVICE_LOW;
  if (all.serviceRate === null) warnings.push('no sale was asked: nothing is shown by this run');
  if (isLow(all)) warnings.push(`only ${served(all)}, ${mostly(all)}`);
  for (const group of groups)
    if (isLow(group)) warnings.push(`${group.name}: ${served(group)}, ${mostly(group)}`);
  if (worst !== undefined && worst.serviceRate < TERMINAL_LOW.rate)
    warnings.push(
      `${worst.name} approved ${grouped(worst.approved)} of ${grouped(worst.asked)} sales (${percent(worst.serviceRate)})`,
    );
  if (all.frozen.length > 0)
    warnings.push(
      `${all.frozen.length === 1 ? 'a device froze' : `${all.frozen.length} devices froze`}: ${named(all.frozen)}`,
    );
  return warnings;
}

const missed = (count: number): string => `${count} ${count === 1 ? 'expectation' : 'expectations'} missed`;

export interface Verdict {
  readonly headline: string;
  readonly warnings: readonly string[];
}

/** `violations`: how many promises were broken. */
export function verdictOf(
  all: Service,
  groups: readonly GroupService[],
  worst: TerminalService | undefined,
  violations: number,
  expected: Expected | undefined,
): Verdict {
  const warnings = warningsOf(all, groups, worst);
  const parts: string[] = [served(all)];
  if (all.frozen.length > 0) parts.push(`frozen: ${named(all.frozen)}`);
  if (expected !== undefined) parts.push(expected.ok ? 'as expected' : missed(expected.missed.length));
  parts.push(violations === 0 ? 'every promise held' : `promises broken: ${violations}`);
  const isBad = violations > 0 || expected?.ok === false;
  const head = isBad ? 'FAILED' : warnings.length > 0 ? 'WARNING' : 'OK';
  return { headline: `${head}: ${parts.join('; ')}`, warnings };
}

/** `sundial proxy`: stands between any two devices that run, and loses, doubles, delays, garbles and cuts. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Command } from 'commander';
import { linkForms, parseLink } from '../../hardware/boards/node/links/address.ts';
import { fail, makeOutput } from '../../hardware/boards/node/cli/output.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { SundialError } from '../../protocol/errors.ts';
import { MESSAGES } from '../../protocol/wire/messages.ts';
import type { Passed } from '../proxy/pair.ts';
import { play } from '../proxy/play.ts';
import { TapProxy } from '../proxy/proxy.ts';
import { apartLine, headLine, messageLine, readRecord, rulesOf } from '../proxy/record.ts';
import { Faults, fateWords, readScript, type Rule } from '../proxy/rules.ts';

interface Flags {
  readonly from?: string;
  readonly to?: string;
  readonly drop?: string;
  readonly dup?: string;
  readonly garble?: string;
  readonly delay?: string;
  readonly cutAt: readonly string[];
  readonly script?: string;
  readonly seed?: string;
  readonly part: string;
  readonly record?: string;
  readonly replay?: string;
  readonly tap: string;
  readonly taps?: string;
  readonly json: boolean;
}

/** Shortest silence that parts devices, milliseconds. */
const PART_MS_MIN = 100;

const bad = (flag: string, text: string, remedy: string): SundialError =>
  new SundialError('bad_fault', `--${flag} ${text}`, { severity: 'call', remedy });

/** `5%` or `0.5%`. */
function percent(flag: string, text: string): number {
  const match = /^(\d{1,3}(?:\.\d{1,2})?)%$/.exec(text);
  const value = Number(match?.[1]);
  if (match !== null && value <= 100) return value;
  throw bad(flag, text, 'Give a share such as 5% or 0.25%.');
}

/** `80ms`, `1.5s`: milliseconds. */
function duration(flag: string, text: string): number {
  const match = /^(\d{1,6}(?:\.\d{1,3})?)(ms|s)$/.exec(text);
  if (match === null) throw bad(flag, text, 'Give a time such as 80ms or 1.5s, 999999s at most.');
  return Math.round(Number(match[1]) * (match[2] === 's' ? 1000 : 1));
}

/** `80ms`, or `20ms-200ms`. */
function delayOf(text: string): Rule {
  const range = /^([^-]+)(?:-([^-]+))?$/.exec(text);
  const [, low = text, high] = range ?? [];
  const least = duration('delay', low);
  if (high === undefined) return { do: 'delay', ms: least };
  const most = duration('delay', high);
  if (most < least) throw bad('delay', text, 'Give the shorter time first: 20ms-200ms.');
  return { do: 'delay', ms: [least, most] };
}

/** `voucher`, or `after:voucher`. */
function cutOf(text: string): Rule {
  const [, after, name = ''] = /^(after:)?(.*)$/.exec(text)!;
  if (!Object.hasOwn(MESSAGES, name))
    throw bad(
      'cut-at',
      text,
      `Give the name of a message, or after: and a name: ${Object.keys(MESSAGES).join(', ')}.`,
    );
  return { do: after === undefined ? 'cut' : 'cutAfter', message: name };
}

const whole = (flag: string, text: string, least = 0): number => {
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  throw bad(flag, text, `Give a whole number from ${least} on.`);
};

/** How long a silence may be: without any, devices would be parted before they answer. */
function patienceOf(text: string): number {
  const ms = duration('part', text);
  if (ms < PART_MS_MIN)
    throw bad('part', text, `Give at least ${PART_MS_MIN}ms: devices take a moment to answer.`);
  return ms;
}

/** All that the flags ask for. */
function rulesOfFlags(flags: Flags): { readonly rules: readonly Rule[]; readonly seed: number } {
  const script =
    flags.script === undefined
      ? undefined
      : readScript(
          readJson(flags.script, 'bad_script', { severity: 'call', remedy: 'Name a file of rules.' }),
          flags.script,
        );
  const share = (what: 'drop' | 'dup' | 'garble'): Rule[] => {
    const text = flags[what];
    return text === undefined ? [] : [{ do: what, percent: percent(what, text) }];
  };
  const rules: Rule[] = [
    ...share('drop'),
    ...share('dup'),
    ...share('garble'),
    ...(flags.delay === undefined ? [] : [delayOf(flags.delay)]),
    ...flags.cutAt.map(cutOf),
    ...(script?.rules ?? []),
    ...(flags.replay === undefined ? [] : rulesOf(recordIn(flags.replay))),
  ];
  return { rules, seed: flags.seed === undefined ? (script?.seed ?? 1) : whole('seed', flags.seed) };
}

function recordIn(file: string) {
  return readRecord(readFileSync(file, 'utf8'), file);
}

/** A message in a line for people. */
const words = ({ tap, from, message, number, fate }: Passed): string =>
  `tap ${tap}  ${from.padEnd(8)} ${String(number).padStart(2)} ${(message?.type ?? 'unknown').padEnd(16)} ${fateWords(fate)}`;

async function runProxy(flags: Flags): Promise<void> {
  const { from, to } = flags;
  if (flags.replay !== undefined && (from === undefined) !== (to === undefined)) return playOne(flags);
  if (from === undefined || to === undefined)
    throw new SundialError('missing_flag', 'a proxy stands between two devices', {
      severity: 'call',
      remedy: 'Give --from, where the payer comes, and --to, where the terminal is.',
    });
  if (from === to)
    throw new SundialError('wrong_link', `--from and --to are both ${from}`, {
      severity: 'call',
      remedy: 'Give two addresses: the payer comes to the one, the terminal is at the other.',
    });
  const output = makeOutput('proxy', flags.json);
  const { rules, seed } = rulesOfFlags(flags);
  const faults = new Faults(seed, rules);
  const most = flags.taps === undefined ? Infinity : whole('taps', flags.taps, 1);
  const file = flags.record === undefined ? undefined : openSync(flags.record, 'w');
  const write = (line: string): void => {
    if (file !== undefined) writeSync(file, `${line}\n`);
  };
  write(headLine(faults));
  const counts = { messages: 0, dropped: 0, doubled: 0, garbled: 0, late: 0, cuts: 0 };
  const proxy = await TapProxy.start({
    from: parseLink(from),
    to: parseLink(to),
    faults,
    partMs: patienceOf(flags.part),
    onTogether: (tap) => output.say(`tap ${tap}  a payer is there`, { event: 'together', tap }),
    onPassed(passed) {
      const { fate, message, bytes: _, ...rest } = passed;
      counts.messages += 1;
      counts.dropped += fate.copies === 0 ? 1 : 0;
      counts.doubled += fate.copies > 1 ? 1 : 0;
      counts.garbled += fate.garbled ? 1 : 0;
      counts.late += fate.delayMs > 0 ? 1 : 0;
      counts.cuts += fate.cut !== undefined ? 1 : 0;
      write(messageLine(passed));
      output.say(words(passed), {
        event: 'message',
        ...rest,
        message: message?.type ?? 'unknown',
        what: fateWords(fate),
      });
    },
    onApart(tap, why) {
      write(apartLine(tap, why));
      output.say(`tap ${tap}  apart: ${why}`, { event: 'apart', tap, why });
      if (tap >= most) setImmediate(end);
    },
    say: (text) => output.say(text, { event: 'link', state: text }),
  });
  let ended = false;
  function end(): void {
    if (ended) return;
    ended = true;
    proxy.stop();
    if (file !== undefined) closeSync(file);
    const { messages, dropped, doubled, garbled, late, cuts } = counts;
    output.say(
      `${proxy.met} taps, ${messages} messages: ${dropped} dropped, ${doubled} doubled, ${garbled} garbled, ${late} late, ${cuts} cuts (seed ${seed})`,
      { event: 'end', taps: proxy.met, ...counts, seed },
    );
    // What closes may still say so on its way.
    setImmediate(() => process.exit(0));
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
  output.say(`ready between ${from} and ${to}, ${rules.length} rules, seed ${seed}`, {
    event: 'ready',
    from,
    to,
    seed,
    rules,
  });
}

/** One side of a record, to a device that runs. */
async function playOne(flags: Flags): Promise<void> {
  const output = makeOutput('proxy', flags.json);
  const as = flags.to === undefined ? 'terminal' : 'payer';
  const at = (flags.to ?? flags.from)!;
  output.say(`plays the ${as} at ${at}; waits ${flags.part} for each answer`, { event: 'ready', as, at });
  const played = await play({
    record: recordIn(flags.replay!),
    tap: whole('tap', flags.tap, 1),
    as,
    at: parseLink(at),
    patienceMs: patienceOf(flags.part),
    say: (text) => output.say(text, { event: 'played', text }),
  });
  output.say(
    `played the ${as}: ${played.same ? 'the same answers' : `other answers: ${played.heard.join(', ') || 'none'}; then: ${played.then.join(', ') || 'none'}`}`,
    { event: 'end', as, ...played },
  );
  setImmediate(() => process.exit(0));
}

/** Adds `sundial proxy`. */
export function addProxyCommand(program: Command): void {
  program
    .command('proxy')
    .description(
      'stands between any two devices that run, over any kinds of link, and loses, doubles, delays, garbles and cuts their ' +
        'messages by rules and a seed; writes a tap down and plays it back',
    )
    .option('--from <address>', `where the payer comes. ${linkForms()}`)
    .option('--to <address>', 'where the terminal is')
    .option('--drop <share>', 'lose this share of messages: 5%')
    .option('--dup <share>', 'send this share twice: 2%')
    .option('--garble <share>', 'flip a bit in this share')
    .option('--delay <time>', 'how late each message is: 80ms, or 20ms-200ms')
    .option(
      '--cut-at <message>',
      'part the devices once before this message arrives, or after:<message> when it has; may be given several times',
      (value: string, before: readonly string[]) => [...before, value],
      [] as readonly string[],
    )
    .option('--script <file>', 'rules from a JSON file: simulators/README.md has an example')
    .option('--seed <n>', 'the same seed hits the same messages (default: the script says, or 1)')
    .option('--part <time>', 'part the devices after so long a silence behind a lost message', '2s')
    .option('--record <file>', 'write every message down, a JSON object a line')
    .option(
      '--replay <file>',
      'with both addresses: do what the record says to the same messages; with one: say again what the missing device said',
    )
    .option('--tap <n>', 'which tap of the record is said again', '1')
    .option('--taps <n>', 'end after so many taps')
    .option('--json', 'one JSON object a line on stdout', false)
    .action((flags: Flags) => runProxy(flags).catch(fail));
}

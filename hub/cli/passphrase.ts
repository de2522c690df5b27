/**
 * The passphrase of key files: from a file that SUNDIAL_PASSPHRASE_FILE names, from SUNDIAL_PASSPHRASE, or from whoever sits
 * at the terminal. Asked for once a process, and never an argument: those are everybody's to read.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs';
import { SundialError } from '../../protocol/errors.ts';
import { causeText } from '../errors.ts';

const FILE = 'SUNDIAL_PASSPHRASE_FILE';
const TEXT = 'SUNDIAL_PASSPHRASE';
/** Characters of a passphrase that is chosen now, at least: shorter ones are tried out in hours. */
const LENGTH_MIN = 12;
/** Bytes of a line at a terminal. */
const LINE_MAX = 1_024;

const missing = (what: string, remedy: string): SundialError =>
  new SundialError('passphrase_missing', what, { severity: 'process', remedy });

let known: string | undefined;

/** For what is there. `what` names it. Throws `passphrase_missing`. */
export function passphraseFor(what: string): string {
  known ??= given() ?? typed(`passphrase of ${what}: `);
  if (known !== undefined) return known;
  throw missing(
    `${what} is locked, and nobody is there to ask`,
    `Name a file with its passphrase in ${FILE}, readable by you alone, or put it into ${TEXT}.`,
  );
}

/** For what is made now: at a terminal it is asked for twice. Throws `passphrase_missing`, `passphrase_short`. */
export function newPassphrase(): string {
  const chosen = known ?? given() ?? twice();
  if (chosen === undefined)
    throw missing('a key is to be locked, and no passphrase is given', `Give one in ${FILE} or ${TEXT}.`);
  if (chosen.length < LENGTH_MIN)
    throw new SundialError('passphrase_short', `the passphrase has ${chosen.length} characters`, {
      severity: 'process',
      remedy: `Take ${LENGTH_MIN} or more: four words that nobody would put together.`,
    });
  known = chosen;
  return chosen;
}

function given(): string | undefined {
  const file = process.env[FILE];
  if (file === undefined || file === '') return process.env[TEXT] || undefined;
  try {
    if ((statSync(file).mode & 0o077) !== 0)
      throw missing(`${file} can be read by others`, `Run \`chmod 600 ${file}\` first.`);
    return readFileSync(file, 'utf8').split(/\r?\n/)[0]!;
  } catch (cause) {
    if (cause instanceof SundialError) throw cause;
    throw missing(`${file}: ${causeText(cause)}`, `Correct ${FILE}.`);
  }
}

function twice(): string | undefined {
  const first = typed('new passphrase: ');
  if (first === undefined || first === typed('again: ')) return first;
  throw missing('the two differ', 'Try again.');
}

/** A line from the terminal, not shown; undefined: nobody is there. */
function typed(question: string): string | undefined {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined;
  const terminal = openSync('/dev/tty', 'r+');
  const echo = (how: string): void =>
    void spawnSync('stty', [how], { stdio: [terminal, 'ignore', 'ignore'] });
  try {
    echo('-echo');
    writeSync(terminal, question);
    const line = Buffer.alloc(LINE_MAX);
    const length = readSync(terminal, line);
    writeSync(terminal, '\n');
    return line.toString('utf8', 0, length).replace(/\r?\n$/, '');
  } finally {
    echo('echo');
    closeSync(terminal);
  }
}

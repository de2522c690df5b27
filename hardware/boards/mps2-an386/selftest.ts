/**
 * The image `selftest`: no payments, only the board. It answers lines on the tap UART, `operation hex hex`, with `ok`
 * and hex or `error` and a code, so that tests reach every native on the chip and can provoke every fault.
 */
import { nativeCrypto, nativeKey, sha256 } from '../../native/index.ts';
import { onStart } from '../../native/prelude.ts';
import { boardFlash } from './flash.ts';
import { boardEntropy, boardKey } from './key.ts';
import { openPort } from './link.ts';
import { board, port } from './natives.ts';

const flash = boardFlash();

/** A line longer than this is noise. */
const lineMax = 1400;
/** Until a far end that takes no byte is not there. */
const patienceMs = 1000;

const digits = '0123456789abcdef';
const crypto = nativeCrypto();

function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += digits[byte >> 4]! + digits[byte & 15]!;
  return text;
}

function unhex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length >> 1);
  for (let i = 0; i < bytes.length; i++) {
    const high = digits.indexOf(text[2 * i]!);
    const low = digits.indexOf(text[2 * i + 1]!);
    if (high < 0 || low < 0) throw new Error('bad_hex');
    bytes[i] = high * 16 + low;
  }
  return bytes;
}

const number = (bytes: Uint8Array | undefined): number =>
  (bytes ?? new Uint8Array()).reduce((sum, byte) => sum * 256 + byte, 0);

function recurse(depth: number): number {
  return depth + recurse(depth + 1);
}

/** Operations that end in a fault don't answer. */
const never = (): Promise<Uint8Array> => new Promise(() => {});

/** Each counts the instructions of what it does, in units of the timer's 40. */
let ticks = 0;
function counted<T>(work: () => T): T {
  const before = board.ticks();
  const result = work();
  ticks = board.ticks() - before;
  return result;
}

const operations: Record<string, (...values: Uint8Array[]) => Uint8Array | string | Promise<Uint8Array>> = {
  keccak256: (bytes) => counted(() => crypto.keccak256(bytes!)),
  sha256: (bytes) => counted(() => sha256(bytes!)),
  sign: async (digest, secret) => await counted(() => nativeKey(secret!).sign(digest!)),
  keySign: async (digest) => await counted(() => boardKey().sign(digest!)),
  recover: (digest, signature) => counted(() => crypto.recover(digest!, signature!)) ?? 'none',
  address: () => boardKey().address,
  random: (length) => boardEntropy.random(number(length)),
  read: (offset, length) => flash.read(number(offset), number(length)),
  write: (offset, bytes) => {
    flash.write(number(offset), bytes!);
    return '';
  },
  erase: (offset) => {
    flash.erase(number(offset));
    return '';
  },
  ticks: () => String(ticks),
  memory: () =>
    [...[0, 1, 2].map((use) => board.ram(use)), ...[0, 1, 2, 3].map((use) => board.memory(use))].join(' '),
  exhaustMemory: () => {
    const held: Uint8Array[] = [];
    for (;;) held.push(new Uint8Array(1024));
  },
  exhaustStack: () => String(recurse(0)),
  throwLater: () => {
    setTimeout(() => {
      throw new Error('thrown on purpose');
    }, 0);
    return never();
  },
  rejectLater: () => {
    setTimeout(() => void Promise.reject(new Error('rejected on purpose')), 0);
    return never();
  },
  loopForever: () => {
    for (;;);
  },
};

const say = (text: string): void => {
  const bytes = Uint8Array.from([...`${text}\n`].map((character) => character.charCodeAt(0)));
  board.uartWrite(port.tap, bytes, patienceMs);
};

async function answer(line: string): Promise<void> {
  const [name, ...values] = line.split(' ');
  const operation = operations[name ?? ''];
  try {
    if (!operation) throw new Error('unknown_operation');
    const result = await operation(...values.map(unhex));
    say(`ok ${typeof result === 'string' ? result : hex(result)}`);
  } catch (error) {
    const { code, message, facts } = error as { code?: string; message: string; facts?: { reason?: string } };
    say(`error ${facts?.reason ?? code ?? message}`);
  }
}

let line = '';
let skipping = false;
onStart(() => {
  openPort(port.tap, (bytes) => {
    for (const byte of bytes) {
      if (byte === 10) {
        if (!skipping) void answer(line);
        line = '';
        skipping = false;
      } else if (line.length >= lineMax) skipping = true;
      else line += String.fromCharCode(byte);
    }
  });
  board.print('selftest ready\n');
});

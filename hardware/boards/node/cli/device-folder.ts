/**
 * A device's state folder: device.json (who it is, its key) and flash.img (its journal); with a secure element also the
 * folder element (what is inside the part) and the file witness (its counter as the device has seen it). One process at
 * a time may use it: two would be a duplicated device.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { journalRoom, type Storage } from '../../../../device/journal/capacity.ts';
import { type Journal, openJournal, salvageJournal } from '../../../../device/journal/journal.ts';
import { DEFAULT_GEOMETRY, FileFlash, WORD_BYTES } from '../flash.ts';
import { elementSecret, makeElement, openElement, readElement } from '../secure-element.ts';
import { BoardMemory } from '../../mps2-an386/host/emulator.ts';
import { journalOf, storedBy } from '../../mps2-an386/host/factory.ts';
import type { SecureKey } from '../../../interfaces/index.ts';
import { simulatedSecureElement } from '../../../keys/secure-element.ts';
import { fromHex, toHex } from '../../../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../../../protocol/crypto/noble.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import { lockFolder } from '../storage/lock.ts';
import type { ChannelId } from '../../../../protocol/integers.ts';
import { checkTiming, DEFAULT_TIMING, type Timing } from '../../../../protocol/limits.ts';
import { type HubKey, type HubPin, hubPin } from '../../../../protocol/machines/hub-keys.ts';
import {
  applyRecord,
  EMPTY_PAYER,
  type PayerBooks,
  payerRecords,
  snapshot,
} from '../../../../protocol/machines/payer/books.ts';
import {
  applyRecord as applyTerminal,
  EMPTY_TERMINAL,
  snapshot as terminalSnapshot,
  type TerminalBooks,
  terminalRecords,
} from '../../../../protocol/machines/terminal/books.ts';
import { makeSigning, type Signing } from '../../../../protocol/signing/digests.ts';
import type { MessageOf } from '../../../../protocol/wire/messages.ts';
import { writeDurably } from '../storage/durable-file.ts';
import { readJson } from '../storage/read-json.ts';

const hexOf = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-f]{${2 * bytes}}$`), `want 0x and ${2 * bytes} lower-case hex digits`);

/** Where a device's key is: in its own memory, or in a secure element that knows P-256 only. */
export const KEYS = ['memory', 'p256'] as const;
export type KeyKind = (typeof KEYS)[number];

const timingSchema = z.strictObject({
  leaseLifetime: z.int().positive(),
  payeeOfflineMax: z.int().positive(),
  watchLag: z.int().positive(),
  clockError: z.int().nonnegative(),
  claimMargin: z.int().positive(),
  slowLane: z.int().positive(),
  exitDelay: z.int().positive(),
});

const schema = z
  .strictObject({
    version: z.literal(1),
    role: z.enum(['wearable', 'car', 'pos', 'charger']),
    name: z.string().min(1).max(40),
    key: z.enum(KEYS).default('memory'),
    /** Of a key in memory; a secure element keeps its own. */
    secret: hexOf(32).optional(),
    chainId: z.number().int().positive(),
    vault: hexOf(20),
    /** Name of the hub in MQTT topics, and its root's address: what the device pins. */
    hub: z.string().min(1).max(40),
    root: hexOf(20),
    /** Where it reaches its hub unless a command says otherwise. */
    hubUrl: z.string().max(200).optional(),
    /** Of the site, where it differs from the defaults; seconds. */
    timing: timingSchema.optional(),
    channel: z.number().int().nonnegative().optional(),
    /** Payers: the group of terminals that leases are asked for; absent: any. */
    scope: hexOf(32).optional(),
    payee: hexOf(20).optional(),
    /** Terminals: most that the merchant risks on leases that nothing covers, in units; absent: none is taken. */
    wideMax: z.number().int().nonnegative().optional(),
    certificate: z.strictObject({ expiresAt: z.number().int().positive(), signature: hexOf(64) }).optional(),
  })
  .refine(({ key, secret }) => (key === 'memory') === (secret !== undefined), {
    path: ['secret'],
    message: 'a key in memory has one, a secure element keeps its own',
  });

export type DeviceFile = z.infer<typeof schema>;
export type DeviceRole = DeviceFile['role'];

/** Banks of a Node device's journal: four of 1 MiB. */
export const JOURNAL_BANKS = 4;
export const JOURNAL_ROOM = journalRoom({ ...DEFAULT_GEOMETRY, wordSize: WORD_BYTES }, JOURNAL_BANKS);

export class DeviceFolder {
  readonly path: string;
  readonly file: DeviceFile;
  readonly signing: Signing;
  readonly address: Uint8Array;

  constructor(path: string, file: DeviceFile) {
    this.path = path;
    this.file = file;
    this.signing = makeSigning(nobleSuite, { chainId: file.chainId, vault: fromHex(file.vault, 20) });
    this.address = file.key === 'p256' ? readElement(elementPath(path)).address : this.key().address;
  }

  /** What every machine of a device is told of its hub. Throws `timing`. */
  get site(): { readonly hub: HubPin; readonly timing: Timing } {
    const { hub, root, timing = DEFAULT_TIMING } = this.file;
    return { hub: hubPin(nobleSuite, hub, fromHex(root, 20)), timing: checkTiming(timing) };
  }

  /** What the device signs with. Throws `counter_went_back` when its secure element is an earlier copy. */
  key(): SecureKey {
    return this.file.key === 'p256'
      ? openElement(elementPath(this.path), witnessPath(this.path))
      : nobleKey(fromHex(this.file.secret ?? '', 32));
  }

  /** The secret of its key, 32 bytes: for the fleet simulator, which lets a device go on from here. */
  secret(): Uint8Array {
    return this.file.key === 'p256'
      ? elementSecret(elementPath(this.path))
      : fromHex(this.file.secret ?? '', 32);
  }

  /** Throws `journal_missing` when a device that was made has none: from an empty one it would start anew. */
  openJournal(): Journal {
    const size = statSync(flashPath(this.path), { throwIfNoEntry: false })?.size ?? 0;
    if (hasDevice(this.path) && size === 0)
      throw new SundialError('journal_missing', `${flashPath(this.path)} is gone`, {
        severity: 'process',
        remedy: 'Put it back as it was. Without its journal a device must not pay or be paid any more.',
      });
    return openJournal(new FileFlash(flashPath(this.path)), {
      banks: JOURNAL_BANKS,
      begun: hasDevice(this.path),
    });
  }

  /** The journal, for the device that runs from it. */
  get storage(): Storage {
    return {
      room: JOURNAL_ROOM,
      open: () => this.openJournal(),
      salvage: () =>
        salvageJournal(new FileFlash(flashPath(this.path), DEFAULT_GEOMETRY, true), { banks: JOURNAL_BANKS }),
    };
  }

  /** Throws `device_on_board` when the device went on on a board: from this older journal it would be a duplicate. */
  refuseOnBoard(): void {
    if (!existsSync(boardFolder(this.path))) return;
    throw new SundialError('device_on_board', `${this.path} is a device that runs on a board`, {
      severity: 'process',
      remedy: `Run \`sundial board ${this.file.role}\`, or name another folder with --state.`,
    });
  }

  /** The journal of a device that is off, on a board or not. */
  openJournalOff(): Journal {
    const board = boardFolder(this.path);
    return existsSync(board) ? journalOf(new BoardMemory(board)) : this.openJournal();
  }

  /** Payloads of the journal, without touching the file. A device that runs on a board keeps it in the board. */
  readJournal(): readonly Uint8Array[] {
    const board = boardFolder(this.path);
    if (existsSync(board)) return storedBy(new BoardMemory(board));
    const flash = new FileFlash(flashPath(this.path), DEFAULT_GEOMETRY, true);
    try {
      return [...openJournal(flash, { banks: JOURNAL_BANKS }).replayed];
    } finally {
      flash.close();
    }
  }
}

/** Where a device that runs as firmware on an emulated board keeps that board's flash. */
export const boardFolder = (path: string): string => join(path, 'board');

const elementPath = (path: string): string => join(path, 'element');
const witnessPath = (path: string): string => join(path, 'witness');
const flashPath = (path: string): string => join(path, 'flash.img');
const devicePath = (path: string): string => join(path, 'device.json');
/** The key of a device that is not complete yet. */
const makingPath = (path: string): string => join(path, 'making.json');

export const hasDevice = (path: string): boolean => existsSync(devicePath(path));

/** Throws `device_exists` when the folder holds one. */
function refuseExisting(path: string): void {
  if (hasDevice(path)) throw deviceExists(path);
}

export const deviceExists = (path: string): SundialError =>
  new SundialError('device_exists', `${path} holds a device already`, {
    severity: 'process',
    remedy: 'Name another folder; a device with money is never overwritten.',
  });

/** Reads a state folder. Throws `no_device`, `wrong_role`, or `bad_device_file` with the field and the fix. */
export function readDevice(path: string, role: DeviceRole): DeviceFolder {
  const folder = readAnyDevice(path);
  if (folder.file.role !== role) {
    throw new SundialError('wrong_role', `${path} is a ${folder.file.role}, not a ${role}`, {
      severity: 'process',
      remedy: `Run \`sundial ${folder.file.role}\`, or name another folder with --state.`,
    });
  }
  return folder;
}

/** Reads the state folder of a device of any role. Throws `no_device` or `bad_device_file`. */
export function readAnyDevice(path: string): DeviceFolder {
  if (!hasDevice(path)) {
    throw new SundialError('no_device', `${path} holds no device`, {
      severity: 'process',
      remedy:
        'Enrol one (`sundial device provision`), run `npm start` for a trial, or name another folder with --state.',
    });
  }
  const parsed = schema.safeParse(readDeviceFile(devicePath(path)));
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new SundialError(
      'bad_device_file',
      `${devicePath(path)}: ${issue.path.join('.')}: ${issue.message}`,
      {
        severity: 'process',
        remedy: `Correct ${issue.path.join('.') || 'the file'}; never copy the folder of another device.`,
      },
    );
  }
  return new DeviceFolder(path, parsed.data);
}

/** What a file of a device holds. Throws `bad_device_file` when it is no JSON. */
const readDeviceFile = (path: string): unknown =>
  readJson(path, 'bad_device_file', {
    severity: 'process',
    remedy: 'Restore it as it was; never copy the folder of another device.',
  });

/** What a payer is given when its channel opens. */
export interface Provision {
  readonly hubKey: HubKey;
  readonly channel?: ChannelId;
  readonly lease?: MessageOf<'lease'>;
}

/** A key that was made for a new device. */
export interface NewKey {
  readonly key: KeyKind;
  /** 32 bytes, as `0x` and hex. */
  readonly secret: string;
  readonly address: Uint8Array;
  /** x and y, 64 bytes; of a P-256 key only. */
  readonly publicKey?: Uint8Array;
}

const makingSchema = z.strictObject({ key: z.enum(KEYS), secret: hexOf(32) });

/**
 * The key of the device that is being made at `path`: durable before anything is deposited for it, and the same one
 * until the device is complete, however often making it was cut. Throws `device_exists`, or `bad_device_file` when an
 * unfinished device there has another kind of key.
 */
export function keyForNew(path: string, key: KeyKind = 'memory'): NewKey {
  refuseExisting(path);
  const making = makingPath(path);
  if (!existsSync(making) && existsSync(flashPath(path)))
    throw new SundialError('bad_device_file', `${path} holds a journal, and no device.json`, {
      severity: 'process',
      remedy: 'Restore device.json as it was, or name another folder: a journal is never overwritten.',
    });
  const strange = existsSync(making) || !existsSync(path) ? [] : readdirSync(path);
  if (strange.some((name) => name !== 'device.owner'))
    throw new SundialError('folder_not_empty', `${path} holds files of somebody's`, {
      severity: 'process',
      remedy: 'Name an empty folder, or one that is not there yet.',
    });
  if (!existsSync(making))
    writeDurably(making, JSON.stringify({ key, secret: toHex(new Uint8Array(randomBytes(32))) }));
  const found = makingSchema.safeParse(readDeviceFile(making));
  if (!found.success || found.data.key !== key)
    throw new SundialError('bad_device_file', `${making} is of no device with such a key (${key})`, {
      severity: 'process',
      remedy:
        'Finish the device that was begun there, with the --key that it was begun with, or name another folder.',
    });
  const secret = fromHex(found.data.secret, 32);
  const { address, publicKey } =
    key === 'p256' ? simulatedSecureElement(secret, { read: () => 0, write() {} }) : nobleKey(secret);
  return { key, secret: found.data.secret, address, ...(publicKey && { publicKey }) };
}

/**
 * Makes a state folder with a fresh journal, for the key that `keyForNew` gave; a P-256 key goes into a secure element
 * of its own. What an earlier attempt left is made anew. Throws `device_exists` when there is a device: a journal is
 * never replaced.
 */
export function createDevice(
  path: string,
  settings: Omit<DeviceFile, 'key' | 'secret'>,
  { key: kind, secret }: NewKey,
  provision: Provision,
): DeviceFolder {
  refuseExisting(path);
  mkdirSync(path, { recursive: true });
  // Without its settings no device was ever run from these.
  const halves = existsSync(makingPath(path)) ? [elementPath(path), witnessPath(path), flashPath(path)] : [];
  for (const half of halves) rmSync(half, { recursive: true, force: true });
  if (kind === 'p256') makeElement(elementPath(path), witnessPath(path), secret);
  const file = schema.parse({ ...settings, key: kind, ...(kind === 'memory' && { secret }) });
  const folder = new DeviceFolder(path, file);
  const journal = folder.openJournal();
  const none = (): never[] => [];
  const key = { type: 'hubKey', ...provision.hubKey } as const;
  if (file.role === 'wearable' || file.role === 'car') {
    journal.append(payerRecords.encode({ type: 'channelOpened', channel: provision.channel! }), none);
    journal.append(payerRecords.encode(key), none);
    if (provision.lease !== undefined)
      journal.append(payerRecords.encode({ ...provision.lease, signer: key.address }), none);
  } else {
    journal.append(terminalRecords.encode(key), none);
  }
  // The journal is complete before the device can be found.
  writeDurably(devicePath(path), `${JSON.stringify(file, undefined, 2)}\n`);
  rmSync(makingPath(path), { force: true });
  return folder;
}

/** The books of a payer, replayed from its journal; the device may be running. */
export function payerBooksOf(folder: DeviceFolder): PayerBooks {
  return folder
    .readJournal()
    .reduce((books, bytes) => applyRecord(books, payerRecords.decode(bytes)), EMPTY_PAYER);
}

/** The books of a terminal, replayed from its journal; the device may be running. */
export function terminalBooksOf(folder: DeviceFolder): TerminalBooks {
  return folder
    .readJournal()
    .reduce((books, bytes) => applyTerminal(books, terminalRecords.decode(bytes)), EMPTY_TERMINAL);
}

/** The records that stand for all that a device has stored: what its journal would begin a new bank with. */
export function standingRecords(folder: DeviceFolder): Uint8Array[] {
  const { role } = folder.file;
  return role === 'wearable' || role === 'car'
    ? snapshot(payerBooksOf(folder)).map((record) => payerRecords.encode(record))
    : terminalSnapshot(terminalBooksOf(folder)).map((record) => terminalRecords.encode(record));
}

/**
 * Locks the folder for this process: two would be a duplicated device. The kernel takes the lock back when the process
 * dies in any way. Throws `device_in_use`. Returns the function that unlocks.
 */
export async function lockDevice(path: string): Promise<() => Promise<void>> {
  try {
    const { release } = await lockFolder(path, 'device');
    return release;
  } catch (error) {
    if (!(error instanceof SundialError) || error.code !== 'folder_locked') throw error;
    const owner = readFileSync(join(path, 'device.owner'), 'utf8').trim();
    const pid = Number.parseInt(owner, 10);
    throw new SundialError('device_in_use', `process ${pid} runs this device`, {
      severity: 'process',
      remedy: `Stop it first (process ${owner}): one device, one process.`,
      facts: { pid },
    });
  }
}

/**
 * What the hub knows about devices and the last it saw of L2: human-sized, readable in an editor (patch-log.ts).
 * Money is never decided by this file alone: vouchers are in the ledger, deposits on L2.
 */
import { z } from 'zod';
import { SundialError } from '../../protocol/errors.ts';
import { UINT32_MAX, UINT40_MAX, UINT48_MAX } from '../../protocol/integers.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { decodeOwn, encodeMessage } from '../../protocol/wire/messages.ts';
import type { Certificate, Revocation } from '../crypto/hub-keys.ts';
import { terminalPayeesMax } from '../limits.ts';
import type { Disk } from '../ports.ts';
import { hex } from '../hex.ts';
import { merge, type Patch, PatchLog } from './patch-log.ts';

const addressText = z.string().regex(/^0x[0-9a-f]{40}$/);
const amountNumber = z.int().min(0).max(UINT48_MAX);
const hash = hex(32);

/** A device that registered. Terminals carry the payee that certified them. */
const deviceSchema = z.strictObject({
  role: z.enum(['wearable', 'pos', 'charger', 'car']),
  channel: z.int().min(0).max(UINT32_MAX).optional(),
  payee: addressText.optional(),
  /** Payees that it registered for before: what it sold for them may still wait in its outbox. */
  earlierPayees: z
    .array(addressText)
    .max(terminalPayeesMax - 1)
    .optional(),
  certificateExpiresAt: z.int().min(0).max(UINT40_MAX).optional(),
  entropyCertified: z.boolean(),
  /** Of its newest registration. */
  counter: z.int().min(0).max(UINT32_MAX).default(0),
});
export type RegisteredDevice = z.infer<typeof deviceSchema>;

/** The head of one channel as of the snapshot's height: what leases are computed from while L2 is out of reach. */
const headSchema = z.strictObject({
  payer: addressText,
  owner: addressText,
  deposit: amountNumber,
  bond: amountNumber,
  credited: amountNumber,
  exiting: z.boolean(),
  slashed: z.boolean(),
  /** Settled on L2 per payee, and the transaction that raised it last. */
  settled: z.record(
    addressText,
    z.strictObject({
      paid: amountNumber,
      transaction: hash,
    }),
  ),
});
export type ChannelHead = z.infer<typeof headSchema>;

/**
 * 2: a snapshot may have a log beside it, without which it is old. 3: counters of devices, words of the root; the chain is
 * pinned, with hashes of final blocks. 4: earlier payees of a terminal.
 * 5: what is announced on L2. 6: limits of owners.
 */
const VERSION = 6;
const stateSchema = z.strictObject({
  version: z.int(),
  minReader: z.int().max(VERSION),
  devices: z.record(addressText, deviceSchema),
  /** The chain and the vault that all of this is about: hashes of block 0 and of the vault's code. */
  chain: z.strictObject({ genesis: hash, code: hash }).optional(),
  /** Hashes of final blocks by height, to see what was replaced. */
  finals: z.record(z.string().regex(/^[0-9]+$/), hash).default({}),
  /** Newest final L2 block whose events are in `heads`. */
  watched: z.strictObject({
    height: amountNumber,
    at: z.int().min(0).max(UINT40_MAX),
    hash: hash.optional(),
  }),
  /** Payees registered on L2: account to small id. */
  payees: z.record(addressText, z.int().min(0).max(UINT32_MAX)),
  heads: z.record(z.string().regex(/^[0-9]+$/), headSchema),
  /** Batches that wait on L2, by hash, with the lanes that they would raise and who signed them (zeros: it can't be told). */
  announced: z
    .record(
      hash,
      z.strictObject({
        executableAt: z.int().min(0).max(UINT40_MAX),
        lanes: z.array(
          z.strictObject({
            channel: z.int().min(0).max(UINT32_MAX),
            payee: addressText,
            top: z.int().min(0),
            signer: addressText,
          }),
        ),
      }),
    )
    .default({}),
  /** What owners let their channels spend, units, by channel; `at`: when the owner signed it, seconds. */
  limits: z
    .record(
      z.string().regex(/^[0-9]+$/),
      z.strictObject({ tap: amountNumber, day: amountNumber, at: z.int().min(0).max(UINT40_MAX) }),
    )
    .default({}),
  /** Certificates and revocations of the hub's root, by signature, as messages in hex. */
  rootWords: z.record(z.string(), z.string().regex(/^0x[0-9a-f]+$/)).default({}),
  /** Ledger records that were durable when the snapshot was written: fewer at the next start is damage. */
  ledgerSize: amountNumber,
  /** L2 time of the last beacon that was published. */
  publishedAt: z.int().min(0).max(UINT40_MAX).default(0),
  /** Counter of each registered device's last login. */
  logins: z.record(addressText, z.int().min(0).max(UINT32_MAX)).default({}),
  /** Until when an earlier state of the folder is no news, seconds: somebody recovered it then. */
  recoveredAt: z.int().min(0).max(UINT40_MAX).default(0),
});
export type RegistryState = z.infer<typeof stateSchema>;

const emptyState = (): RegistryState => ({
  version: VERSION,
  minReader: VERSION,
  devices: {},
  finals: {},
  watched: { height: 0, at: 0 },
  payees: {},
  heads: {},
  announced: {},
  limits: {},
  rootWords: {},
  ledgerSize: 0,
  publishedAt: 0,
  recoveredAt: 0,
  logins: {},
});

/** Devices: some 200 bytes each in one snapshot that is read whole; beyond this a database has to take over. */
export const devicesMax = 10_000;

/** Where a wrong field stands when several workers share the registry. */
const IN_DATABASE = 'the registry in the database';

/** What is changed of the state; `null` takes a key away. */
export type RegistryPatch = Patch<RegistryState>;

type Json = { [key: string]: unknown };

/** Where changes become durable. */
export interface PatchSink {
  /** Resolves when the change is durable. */
  write(patch: Json): Promise<void>;
  /** Writes what is pending, and gives back what it holds. */
  close(): Promise<void>;
}

/** The registry in memory, and its way to the disk. */
export class Registry {
  private readonly stored: RegistryState;
  private readonly log: PatchSink;
  private readonly released: () => Promise<void>;
  /** Lanes that L2 settled, by payee: the channels of each. */
  private readonly channelsOf = new Map<string, Set<string>>();
  private readonly terminals = new Map<string, Set<string>>();
  /** How often each channel's head has changed since the start. */
  private readonly changes = new Map<number, number>();

  private constructor(stored: RegistryState, log: PatchSink, released: () => Promise<void>) {
    this.stored = stored;
    this.log = log;
    this.released = released;
    this.noteKeys(stored as RegistryPatch);
  }

  /**
   * Opens the registry on a disk that nobody else uses; `released` is called when it is closed. Throws
   * `state_unreadable` or `registry_invalid`.
   */
  static async open(disk: Disk, released: () => Promise<void> = async () => {}): Promise<Registry> {
    const opened: { registry?: Registry } = {};
    const { stored, log } = await PatchLog.open(disk, 'registry', () => opened.registry!.stored as Json);
    try {
      opened.registry = new Registry(checkedState(stored ?? emptyState(), 'registry.json'), log, released);
    } catch (error) {
      await log.abandon();
      throw error;
    }
    return opened.registry;
  }

  /** The registry whose changes several processes write to one log; `stored`: what the log says until now. */
  static over(stored: Json | undefined, log: PatchSink): Registry {
    return new Registry(checkedState({ ...emptyState(), ...stored }, IN_DATABASE), log, async () => {});
  }

  /** Begins again with what the log says, whatever was changed here and is not in it. */
  restart(stored: Json | undefined): void {
    const state = checkedState({ ...emptyState(), ...stored }, IN_DATABASE);
    for (const key of Object.keys(this.stored)) delete (this.stored as Json)[key];
    Object.assign(this.stored, state);
    this.channelsOf.clear();
    this.terminals.clear();
    this.noteKeys(state as RegistryPatch);
  }

  /** The state as it is now. Change it only through `note` and `update`. */
  get state(): Readonly<RegistryState> {
    return this.stored;
  }

  /** Applies a change that need not be durable: it goes to the disk with the next snapshot, or never. */
  note(patch: RegistryPatch): void {
    for (const device of Object.keys(patch.devices ?? {})) {
      const payee = this.stored.devices[device]?.payee;
      if (payee !== undefined) this.terminals.get(payee)?.delete(device);
    }
    merge(this.stored as Json, patch as Json);
    this.noteKeys(patch);
  }

  /**
   * Applies a change at once and resolves when it is durable. Rejects with the system's error when it can't be
   * written; the change then stands in memory and goes to the disk with the next write that succeeds.
   */
  update(patch: RegistryPatch): Promise<void> {
    this.note(patch);
    return this.log.write(patch as Json);
  }

  /** Adds or replaces a device; resolves when durable. Rejects with `registry_full`. */
  async register(device: string, entry: RegisteredDevice): Promise<void> {
    const { devices } = this.stored;
    if (devices[device] === undefined && Object.keys(devices).length >= devicesMax) {
      throw new SundialError('registry_full', `${devicesMax} devices are registered`, {
        severity: 'call',
        remedy: 'Remove devices that are gone from registry.json while the hub is stopped.',
        facts: { devicesMax },
      });
    }
    // What an earlier registration said and this one doesn't is taken away.
    const gone = Object.keys(devices[device] ?? {}).map((key) => [key, null]);
    await this.update({ devices: { [device]: { ...Object.fromEntries(gone), ...entry } } } as RegistryPatch);
  }

  /** What the hub's root said, oldest first. Throws `own_bytes` when that was damaged. */
  rootWords(): readonly (Certificate | Revocation)[] {
    return Object.values(this.stored.rootWords).map((bytes) => {
      const word = decodeOwn(fromHex(bytes));
      if (word.type === 'hubKey' || word.type === 'hubKeyRevoked') return word;
      throw new SundialError('registry_invalid', 'rootWords holds another message', {
        severity: 'process',
        remedy: 'Restore a copy of registry.json, or take the entry out and hand the certificate in again.',
      });
    });
  }

  /** Keeps a word of the root; resolves when durable. */
  addRootWord(word: Certificate | Revocation): Promise<void> {
    return this.update({ rootWords: { [toHex(word.signature)]: toHex(encodeMessage(word)) } });
  }

  /** Terminals that registered for a payee; both as 0x hex. */
  terminalsOf(payee: string): Iterable<string> {
    return this.terminals.get(payee) ?? [];
  }

  /** Channels with a lane of this payee that L2 settled. */
  settledFor(payee: string): Iterable<string> {
    return this.channelsOf.get(payee) ?? [];
  }

  /** A number that is another one whenever the channel's head has changed. */
  changesOf(channel: number): number {
    return this.changes.get(channel) ?? 0;
  }

  private noteKeys({ devices = {}, heads = {} }: RegistryPatch): void {
    for (const device of Object.keys(devices)) {
      const payee = this.stored.devices[device]?.payee;
      if (payee !== undefined) addTo(this.terminals, payee, device);
    }
    for (const [channel, head] of Object.entries(heads)) {
      this.changes.set(Number(channel), this.changesOf(Number(channel)) + 1);
      for (const payee of Object.keys(head?.settled ?? {})) addTo(this.channelsOf, payee, channel);
    }
  }

  /** Writes what is pending, and a snapshot. */
  async close(): Promise<void> {
    await this.log.close();
    await this.released();
  }
}

/** Throws `registry_invalid`, naming the field. */
function checkedState(stored: unknown, name: string): RegistryState {
  const checked = stateSchema.safeParse(stored);
  if (checked.success) return { ...checked.data, version: VERSION, minReader: VERSION };
  const issue = checked.error.issues[0]!;
  throw new SundialError('registry_invalid', `${name}: ${issue.path.join('.')}: ${issue.message}`, {
    severity: 'process',
    remedy: 'Correct the field by hand, restore a copy, or start the version that wrote the file.',
    facts: { file: name, field: issue.path.join('.') },
  });
}

function addTo(map: Map<string, Set<string>>, key: string, value: string): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, new Set([value]));
  else known.add(value);
}

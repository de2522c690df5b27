/**
 * What the hub knows about devices and the last it saw of L2: human-sized, readable in an editor, kept with lowdb.
 * Money is never decided by this file alone: vouchers are in the ledger, deposits on L2.
 */
import { join } from 'node:path';
import { Low } from 'lowdb';
import { z } from 'zod';
import { SundialError } from '../../protocol/errors.ts';
import { UINT32_MAX, UINT40_MAX, UINT48_MAX } from '../../protocol/integers.ts';
import { JsonFile } from './json-file.ts';
import { type FolderLock, lockFolder } from '../../hardware/boards/node/storage/lock.ts';

const addressText = z.string().regex(/^0x[0-9a-f]{40}$/);
const amountNumber = z.int().min(0).max(UINT48_MAX);

/** A device that registered. Terminals carry the payee that certified them. */
const deviceSchema = z.strictObject({
  role: z.enum(['wearable', 'pos', 'charger', 'car']),
  channel: z.int().min(0).max(UINT32_MAX).optional(),
  payee: addressText.optional(),
  certificateExpiresAt: z.int().min(0).max(UINT40_MAX).optional(),
  entropyCertified: z.boolean(),
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
      transaction: z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{64}$/)]),
    }),
  ),
});
export type ChannelHead = z.infer<typeof headSchema>;

const VERSION = 1;
const stateSchema = z.strictObject({
  version: z.int(),
  minReader: z.int().max(VERSION),
  devices: z.record(addressText, deviceSchema),
  /** Newest final L2 block whose events are in `heads`. */
  watched: z.strictObject({ height: amountNumber, at: z.int().min(0).max(UINT40_MAX) }),
  /** Payees registered on L2: account to small id. */
  payees: z.record(addressText, z.int().min(0).max(UINT32_MAX)),
  heads: z.record(z.string().regex(/^[0-9]+$/), headSchema),
  /** Ledger records that were durable when the snapshot was written: fewer at the next start is damage. */
  ledgerSize: amountNumber,
});
export type RegistryState = z.infer<typeof stateSchema>;

const emptyState = (): RegistryState => ({
  version: VERSION,
  minReader: VERSION,
  devices: {},
  watched: { height: 0, at: 0 },
  payees: {},
  heads: {},
  ledgerSize: 0,
});

/** Devices: some 200 bytes each in one file that is rewritten whole; beyond this a database has to take over. */
export const devicesMax = 10_000;

export class Registry {
  private readonly low: Low<RegistryState>;
  private readonly lock: FolderLock;

  private constructor(low: Low<RegistryState>, lock: FolderLock) {
    this.low = low;
    this.lock = lock;
  }

  /** Opens registry.json in `folder`, alone. Throws `folder_locked`, `state_unreadable` or `registry_invalid`. */
  static async open(folder: string): Promise<Registry> {
    const lock = await lockFolder(folder, 'registry');
    try {
      const path = join(folder, 'registry.json');
      const low = new Low<RegistryState>(new JsonFile(path), emptyState());
      await low.read();
      const checked = stateSchema.safeParse(low.data);
      if (!checked.success) {
        const issue = checked.error.issues[0]!;
        throw new SundialError('registry_invalid', `${path}: ${issue.path.join('.')}: ${issue.message}`, {
          severity: 'process',
          remedy: 'Correct the field by hand, restore a copy, or start the version that wrote the file.',
          facts: { file: path, field: issue.path.join('.') },
        });
      }
      low.data = checked.data;
      return new Registry(low, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** The state as it is now. Change it only through `update`. */
  get state(): Readonly<RegistryState> {
    return this.low.data;
  }

  /**
   * Applies `change` at once and resolves when it is durable. Rejects with the system's error when it can't be
   * written; the change then stands in memory and goes to the disk with the next write that succeeds.
   */
  async update(change: (state: RegistryState) => void): Promise<void> {
    change(this.low.data);
    await this.low.write();
  }

  /** Adds or replaces a device; resolves when durable. Throws `registry_full`. */
  async register(device: string, entry: RegisteredDevice): Promise<void> {
    const { devices } = this.low.data;
    if (devices[device] === undefined && Object.keys(devices).length >= devicesMax) {
      throw new SundialError('registry_full', `${devicesMax} devices are registered`, {
        severity: 'call',
        remedy: 'Remove devices that are gone from registry.json while the hub is stopped.',
        facts: { devicesMax },
      });
    }
    await this.update((state) => {
      state.devices[device] = entry;
    });
  }

  /** Writes what is pending and gives the folder back. */
  async close(): Promise<void> {
    await this.low.write();
    await this.lock.release();
  }
}

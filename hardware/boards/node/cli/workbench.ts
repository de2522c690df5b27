/**
 * The workbench: devices for a first tap by hand, with neither hub nor chain. Its lease and certificate are signed by
 * keys in state/bench, so no deposit stands behind them; every command that makes such a device says so.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Address, fromHex, toHex } from '../../../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../../../protocol/crypto/noble.ts';
import { amount, channelId, seconds, ZERO_AMOUNT } from '../../../../protocol/integers.ts';
import { DEFAULT_TIMING, shareOf, TAP_LIMIT_PER_10000, terminalCapOf } from '../../../../protocol/limits.ts';
import type { HubKey } from '../../../../protocol/machines/hub-keys.ts';
import { payerRecords } from '../../../../protocol/machines/payer/books.ts';
import { makeSigning } from '../../../../protocol/signing/digests.ts';
import { SCOPE_ANY } from '../../../../protocol/vouchers.ts';
import type { MessageOf } from '../../../../protocol/wire/messages.ts';
import {
  createDevice,
  type DeviceFolder,
  type DeviceRole,
  hasDevice,
  type KeyKind,
  keyForNew,
  lockDevice,
  payerBooksOf,
  readDevice,
  standingRecords,
} from './device-folder.ts';
import { benchFolder, type CommonFlags } from './flags.ts';
import { createDurably } from '../storage/durable-file.ts';
import { STATE_ROOT } from './paths.ts';

const YEAR = 365 * 86_400;
const DOMAIN = { chainId: 31337, vault: `0x${'be'.repeat(20)}` };
/** One for each role and kind of key. */
const CHANNELS = { wearable: { memory: 1, p256: 3 }, car: { memory: 2, p256: 4 } } as const;
/** What the workbench pretends was deposited: enough for a day of taps. */
const DEPOSIT = amount(400_000_000);
const TAP_LIMIT = shareOf(DEPOSIT, TAP_LIMIT_PER_10000);

interface Keys {
  readonly hub: string;
  readonly payee: string;
}

function benchKeys(): Keys {
  const path = join(STATE_ROOT, 'bench', 'keys.json');
  if (!existsSync(path)) {
    const fresh = { hub: toHex(randomBytes(32)), payee: toHex(randomBytes(32)) };
    // Two devices may be made at once: they must know one hub and one payee.
    createDurably(path, JSON.stringify(fresh));
  }
  return JSON.parse(readFileSync(path, 'utf8')) as Keys;
}

const signing = makeSigning(nobleSuite, { chainId: DOMAIN.chainId, vault: fromHex(DOMAIN.vault) });

async function benchLease(
  keys: Keys,
  channel: number,
  payer: Uint8Array,
  spentFrom: number,
): Promise<MessageOf<'lease'>> {
  const now = Math.floor(Date.now() / 1000);
  const fields = {
    channel: channelId(channel),
    payer,
    spentFrom: amount(spentFrom),
    spendLimit: amount(spentFrom + DEPOSIT),
    tapLimit: TAP_LIMIT,
    cap: terminalCapOf(TAP_LIMIT),
    guarantee: ZERO_AMOUNT,
    issuedAt: seconds(now),
    expiresAt: seconds(now + DEFAULT_TIMING.leaseLifetime),
    scope: SCOPE_ANY,
  };
  const signature = await nobleKey(fromHex(keys.hub)).sign(signing.digest('Lease', fields));
  return { type: 'lease', ...fields, signature };
}

/**
 * Makes the device of the workbench when the default folder is empty, and renews its lease when that ran out.
 * Does nothing when a folder or a hub was named: such a device belongs to somebody.
 */
export async function ensureBench(
  role: DeviceRole,
  path: string,
  flags: CommonFlags,
  kind: KeyKind = 'memory',
): Promise<void> {
  if (path !== benchFolder(role, kind) || (flags.hub !== undefined && flags.hub !== 'none')) return;
  // A device that runs has all it needs, and only its own process writes its journal.
  const unlock = await lockDevice(path);
  try {
    await makeOrRenew(role, path, kind);
  } finally {
    await unlock();
  }
}

/** Makes a device of the workbench in a folder that another part of it uses; a payer gets a channel of this number. */
export async function makeForBench(role: DeviceRole, path: string, channel = 0): Promise<void> {
  const unlock = await lockDevice(path);
  try {
    await makeOrRenew(role, path, 'memory', channel);
  } finally {
    await unlock();
  }
}

async function makeOrRenew(
  role: DeviceRole,
  path: string,
  kind: KeyKind,
  number = role === 'wearable' || role === 'car' ? CHANNELS[role][kind] : 0,
): Promise<void> {
  const keys = benchKeys();
  const now = Math.floor(Date.now() / 1000);
  // Nobody meets a hub here, so nobody ever brings a next certificate: the factory's word has no end.
  const hubKey: HubKey = {
    address: nobleKey(fromHex(keys.hub)).address,
    from: seconds(0),
    until: seconds(now + 10 * YEAR),
    epoch: 0,
    signedAt: seconds(0),
  };
  const payer = role === 'wearable' || role === 'car';
  if (hasDevice(path)) {
    if (!payer) return;
    const folder = readDevice(path, role);
    const books = payerBooksOf(folder);
    if ((books.lease?.expiresAt ?? 0) > now) return;
    const lease = await benchLease(keys, number, folder.address, books.spent);
    storeLease(folder, lease, hubKey.address);
    return;
  }
  process.stderr.write(`Made a ${role} on the workbench (${path}): no deposit stands behind what it pays.\n`);
  const key = keyForNew(path, kind);
  const { address } = key;
  const root = toHex(nobleKey(fromHex(keys.hub)).address);
  const shared = { version: 1, role, name: role, ...DOMAIN, hub: 'bench', root } as const;
  if (payer) {
    const channel = channelId(number);
    const lease = await benchLease(keys, channel, address, 0);
    createDevice(path, { ...shared, channel }, key, { hubKey, channel, lease });
    return;
  }
  const payee = nobleKey(fromHex(keys.payee));
  const expiresAt = seconds(now + YEAR);
  const signature = await payee.sign(
    signing.digest('Terminal', { terminal: address, payee: payee.address, expiresAt }),
  );
  const certificate = { expiresAt, signature: toHex(signature) };
  // Nothing stands behind any lease here.
  const terminal = { ...shared, payee: toHex(payee.address), certificate, wideMax: 2_000_000_000 };
  createDevice(path, terminal, key, { hubKey });
}

/** Stores a lease in the journal of a payer that is off. */
export function storeLease(folder: DeviceFolder, lease: MessageOf<'lease'>, signer: Address): void {
  const standing = standingRecords(folder);
  folder.openJournalOff().append(payerRecords.encode({ ...lease, signer }), () => standing);
}

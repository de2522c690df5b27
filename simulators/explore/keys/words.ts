/** Everything that anybody ever says to the device of this walk, signed. A unit of time is 10 days. */
import { ZERO_BYTES16, type Address, type Bytes16, type Bytes32 } from '../../../protocol/bytes.ts';
import {
  amount,
  channelId,
  height,
  type Position,
  type Seconds,
  seconds,
} from '../../../protocol/integers.ts';
import { makeSigning, type Signing } from '../../../protocol/signing/digests.ts';
import { SCOPE_ANY } from '../../../protocol/vouchers.ts';
import type { MessageOf } from '../../../protocol/wire/messages.ts';
import { addressNamed, standInSignature, standInSuite } from '../suite.ts';
import type { KeyConfig } from './config.ts';

export const UNIT_SECONDS = 10 * 86_400;
export const UNIT_MS = UNIT_SECONDS * 1000;
/** Units that every key is good for, and by how many its certificate may come before it. */
export const WINDOW = 3;
const LEAD = 1;
/** Where unit 0 lies: certificates of the first key are made before it. */
const ORIGIN = 2000 * UNIT_SECONDS;

/** The time of a unit. */
export const at = (unit: number): Seconds => seconds(ORIGIN + unit * UNIT_SECONDS);
/** The unit of a time, with its part. */
export const unitOf = (time: number): number => (time - ORIGIN) / UNIT_SECONDS;

export const signing: Signing = makeSigning(standInSuite, { chainId: 31_337, vault: addressNamed(0xee) });
export const ROOT = addressNamed(0x21);
export const SELF = addressNamed(0x40);
export const PAYER = addressNamed(0x10);
export const PAYEE = addressNamed(0x30);
export const CHANNEL = channelId(1);
/** What the device handed in and waits for. */
export const ENTRY = new Uint8Array(32).fill(0x77);
/** Of a question that was asked, and answered, before this power-up. */
const OLD_NONCE: Bytes16 = new Uint8Array(16).fill(1);

/** A key that the root may certify. */
export interface KeyOf {
  readonly name: string;
  readonly address: Address;
  readonly epoch: number;
  /** First and last unit. */
  readonly from: number;
  readonly until: number;
  readonly stolen: boolean;
  /** A careless root certified it at the very beginning. */
  readonly ahead: boolean;
}

const honest = (epoch: number, j: number, ahead: boolean): KeyOf => ({
  name: `K${epoch}.${j}${ahead ? ' ahead' : ''}`,
  address: addressNamed(0x80 + epoch * 16 + j),
  epoch,
  from: 2 * j,
  until: 2 * j + WINDOW,
  stolen: false,
  ahead,
});

/** All keys of a configuration. */
export function keysOf({ keys, thief, epoch, careless, allAhead }: KeyConfig): KeyOf[] {
  const all: KeyOf[] = [];
  for (const e of epoch === true ? [0, 1] : [0])
    for (let j = 0; j < keys; j++) {
      all.push(honest(e, j, false));
      if (allAhead === true && j > 0) all.push(honest(e, j, true));
    }
  if (thief === undefined) return all;
  const from = 2 * thief.window;
  const shared = { address: addressNamed(0x66), epoch: thief.epoch, from, stolen: true };
  all.push({ ...shared, name: 'STOLEN', until: from + WINDOW, ahead: false });
  if (careless === true) {
    all.push({ ...shared, name: 'STOLEN ahead', until: from + WINDOW, ahead: true });
    all.push({ ...shared, name: 'STOLEN for long', from: 0, until: from + WINDOW, ahead: true });
  }
  return all;
}

/** When the root signs for a key, in units; `epochAt`: when it began epoch 1. */
export const signedAtOf = (key: KeyOf, epochAt: number): number =>
  key.ahead ? 0 : Math.max(key.epoch === 1 ? epochAt : 0, key.from - LEAD, 0);

export function certificate(key: KeyOf, signedAt: number): MessageOf<'hubKey'> {
  const { address, from, until, epoch } = key;
  const fields = { key: address, from: at(from), until: at(until), epoch, signedAt: at(signedAt) };
  return {
    type: 'hubKey',
    ...fields,
    signature: standInSignature(ROOT, signing.digest('HubKey', fields)),
  };
}

export function revocation(key: KeyOf, unit: number): MessageOf<'hubKeyRevoked'> {
  const fields = { key: key.address, at: at(unit) };
  const digest = signing.digest('HubKeyRevoked', fields);
  return { type: 'hubKeyRevoked', ...fields, signature: standInSignature(ROOT, digest) };
}

/** `nonce`: of the question that it answers, `old`: of one before this power-up. */
export function beacon(key: KeyOf, unit: number, nonce?: Bytes16 | 'old'): MessageOf<'beacon'> {
  const fields = {
    at: at(unit),
    height: height(1),
    revocations: new Uint8Array(32),
    checkpoint: new Uint8Array(32),
    nonce: nonce === 'old' ? OLD_NONCE : (nonce ?? ZERO_BYTES16),
  };
  return {
    type: 'beacon',
    ...fields,
    signature: standInSignature(key.address, signing.digest('Beacon', fields)),
  };
}

export function acknowledgement(key: KeyOf, entry: Bytes32): MessageOf<'acknowledgement'> {
  const fields = { entry, position: 0 as Position, at: at(0) };
  const digest = signing.digest('Acknowledgement', fields);
  return { type: 'acknowledgement', ...fields, signature: standInSignature(key.address, digest) };
}

/** Says that the device is in a scope for years. */
export function member(key: KeyOf): MessageOf<'member'> {
  const fields = { scope: new Uint8Array(32).fill(0x5c), terminal: SELF, expiresAt: at(100) };
  return {
    type: 'member',
    ...fields,
    signature: standInSignature(key.address, signing.digest('Member', fields)),
  };
}

/** A lease that says it is good for years. */
export function lease(key: KeyOf, issued: number): MessageOf<'lease'> {
  const fields = {
    channel: CHANNEL,
    payer: PAYER,
    spentFrom: amount(0),
    spendLimit: amount(6),
    tapLimit: amount(8),
    cap: amount(16),
    guarantee: amount(0),
    issuedAt: at(issued),
    expiresAt: at(issued + 100),
    scope: SCOPE_ANY,
  };
  return {
    type: 'lease',
    ...fields,
    signature: standInSignature(key.address, signing.digest('Lease', fields)),
  };
}

/**
 * Taking a payee's payments to L2 without the hub's settler. What the hub acknowledged settles at once; the rest is announced,
 * and executed when the slow lane's delay is over. Carried again at any time, nothing moves twice.
 */
import type { LocalAccount } from 'viem';
import type { Claim } from '../../../hardware/boards/node/till/claims.ts';
import { fromHex, toHex } from '../../../protocol/bytes.ts';
import { collectedFrom } from '../../../protocol/machines/collected.ts';
import type { Signing } from '../../../protocol/signing/digests.ts';
import { topOf, voucherDigest } from '../../../protocol/vouchers.ts';
import { decodeOwn } from '../../../protocol/wire/messages.ts';
import type { Outcome, Row } from '../../l2/rows.ts';
import type { Vault } from '../../l2/vault.ts';

/** Rows of one transaction: far below a block's gas, and few enough to be announced with their bytes. */
const ROWS_MAX = 100;

/** A claim that was read and checked. */
export interface ReadyClaim {
  readonly claim: Claim;
  readonly row: Row;
  readonly channel: number;
  /** Units that its lane reaches by it. */
  readonly top: number;
}

/** A claim as a row for the vault; in words why it is none, when it is of another payee or signed by nobody. */
export function readyClaim(signing: Signing, payee: string, claim: Claim): ReadyClaim | string {
  let message: ReturnType<typeof decodeOwn>;
  try {
    message = decodeOwn(new Uint8Array(Buffer.from(claim.proof, 'base64url')));
  } catch {
    return 'a payment in it does not read';
  }
  if (message.type !== 'collectedVoucher' && message.type !== 'collectedStream')
    return `a ${message.type} is no payment`;
  const { voucher, signature, key } = collectedFrom(signing, message);
  if (toHex(voucher.payee) !== payee) return 'a payment of another payee';
  if (signing.suite.recover(voucherDigest(signing, voucher), signature, key) === undefined)
    return 'a payment that nobody signed';
  const { reveal, acknowledgement: word } = claim;
  const row: Row = {
    voucher,
    signature,
    ...(key && { key }),
    ...(reveal && { reveal: { k: reveal.k, preimage: fromHex(reveal.preimage as `0x${string}`, 32) } }),
    ...(word && {
      acknowledgement: {
        position: word.position,
        at: word.at,
        signature: fromHex(word.signature as `0x${string}`, 64),
      },
    }),
  };
  return { claim, row, channel: voucher.channel, top: topOf(voucher, reveal?.k ?? 0) };
}

/** A batch that was announced: the same rows must come again, in the same order. */
export interface AnnouncedBatch {
  readonly proofs: readonly string[];
}

interface Done {
  readonly outcomes: readonly Pick<Outcome, 'row' | 'reason' | 'moved' | 'done'>[];
}

/** What carrying asks of a vault (`Vault`); `account` pays the gas. Each rejects with what the node says. */
export interface CarryVault {
  registerPayee(account: LocalAccount, payee: Uint8Array): Promise<unknown>;
  readLane: Vault['readLane'];
  readChannel(channel: number): Promise<{ readonly free: number }>;
  readClock: Vault['readClock'];
  executableAt: Vault['executableAt'];
  settleBatch(account: LocalAccount, rows: readonly Row[]): Promise<Done>;
  announce(account: LocalAccount, rows: readonly Row[]): Promise<unknown>;
  execute(account: LocalAccount, rows: readonly Row[]): Promise<Done>;
}

/** What is carried, and for whom. */
export interface Carrying {
  readonly vault: CarryVault;
  /** Pays the gas; the money goes to the payee whoever carries it. */
  readonly account: LocalAccount;
  readonly payee: Uint8Array;
  readonly claims: readonly ReadyClaim[];
  /** Which of them are taken to L2 now; absent: all. What was announced is executed all the same. */
  readonly wanted?: (claim: ReadyClaim) => boolean;
  /** What was announced before. */
  readonly announced: readonly AnnouncedBatch[];
  /** Keeps them, durably: a batch that is on L2 and forgotten would be announced anew, and wait anew. */
  keep(announced: readonly AnnouncedBatch[]): void;
}

/** What a run came to. Amounts in units, times of the vault's clock. */
export interface Carried {
  readonly settled: number;
  readonly announced: number;
  readonly executed: number;
  /** When the announced rest may be executed: seconds of the vault's clock; absent: nothing waits. */
  readonly executableAt?: number;
  readonly reasons: readonly string[];
}

/** The claims whose lanes L2 has not settled as far. Throws viem's errors. */
export async function openClaims(
  vault: Pick<CarryVault, 'readLane'>,
  payee: Uint8Array,
  claims: readonly ReadyClaim[],
): Promise<ReadyClaim[]> {
  const open: ReadyClaim[] = [];
  for (const one of claims) if (one.top > (await vault.readLane(one.channel, payee))) open.push(one);
  return open;
}

/** Settles, executes and announces what can be. Throws viem's errors; what was done until then stands. */
export async function carryClaims(carrying: Carrying): Promise<Carried> {
  const { vault, account, payee, claims, keep, wanted = () => true } = carrying;
  await vault.registerPayee(account, payee);
  // On a channel without money nothing moves: a batch would cost gas, and an announcement hold up what the hub acknowledges.
  const takeable = async (some: readonly ReadyClaim[]): Promise<ReadyClaim[]> => {
    const found: ReadyClaim[] = [];
    for (const one of await openClaims(vault, payee, some))
      if ((await vault.readChannel(one.channel)).free > 0) found.push(one);
    return found;
  };
  const open = await takeable(claims.filter(wanted));
  let [settled, executed, announced] = [0, 0, 0];
  const reasons = new Set<string>();
  const movedBy = (outcomes: readonly { reason: string; moved: number; done: boolean }[]): number => {
    for (const { reason, done } of outcomes) if (!done) reasons.add(reason);
    return outcomes.reduce((sum, { moved }) => sum + moved, 0);
  };

  // What the hub acknowledged, at once; with a word of a key that L2 does not trust it goes the slow way.
  const acknowledged = open.filter(({ row }) => row.acknowledgement !== undefined);
  const mistrusted = new Set<ReadyClaim>();
  for (let at = 0; at < acknowledged.length; at += ROWS_MAX) {
    const part = acknowledged.slice(at, at + ROWS_MAX);
    const { outcomes } = await vault.settleBatch(
      account,
      part.map(({ row }) => row),
    );
    settled += movedBy(outcomes);
    for (const { row, reason } of outcomes) if (reason === 'bad_acknowledgement') mistrusted.add(part[row]!);
  }
  const slow = (one: ReadyClaim): Row => {
    const { acknowledgement: _, ...row } = one.row;
    return row;
  };

  // What was announced before, when its time has come; then what was not.
  const byProof = new Map(claims.map((one) => [one.claim.proof, one]));
  const clock = await vault.readClock();
  const left: AnnouncedBatch[] = [];
  let executableAt: number | undefined;
  for (const batch of carrying.announced) {
    const found = batch.proofs.map((proof) => byProof.get(proof));
    if (found.some((one) => one === undefined)) continue;
    const own = found.map((one) => slow(one!));
    const at = await vault.executableAt(own);
    if (at === undefined) continue;
    if (at <= clock) {
      executed += movedBy((await vault.execute(account, own)).outcomes);
      continue;
    }
    left.push(batch);
    executableAt = Math.max(executableAt ?? 0, at);
  }
  const waits = new Set(left.flatMap(({ proofs }) => proofs));
  const fresh = (await takeable(open)).filter(
    (one) => (one.row.acknowledgement === undefined || mistrusted.has(one)) && !waits.has(one.claim.proof),
  );
  for (let at = 0; at < fresh.length; at += ROWS_MAX) {
    const part = fresh.slice(at, at + ROWS_MAX);
    const own = part.map(slow);
    left.push({ proofs: part.map(({ claim }) => claim.proof) });
    // Written first.
    keep(left);
    await vault.announce(account, own);
    executableAt = Math.max(executableAt ?? 0, (await vault.executableAt(own)) ?? 0);
    announced += part.length;
  }
  keep(left);
  return {
    settled,
    announced,
    executed,
    ...(executableAt !== undefined && { executableAt }),
    reasons: [...reasons],
  };
}

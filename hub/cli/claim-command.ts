/**
 * `sundial claim`: a merchant takes what its terminal holds to L2 by itself, with the hub gone. What the hub acknowledged
 * settles at once; the rest is announced, and settles when the slow lane's delay is over, by the same command again. Any
 * account with gas money may carry it: the money goes to the payee that the customers named.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { privateKeyToAccount } from 'viem/accounts';
import { formatMoney } from '../../hardware/boards/node/cli/money.ts';
import { readDevice } from '../../hardware/boards/node/cli/device-folder.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { type Claim, type ClaimsFile, claimsFile, claimsOf } from '../../hardware/boards/node/till/claims.ts';
import { writeDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { fromHex } from '../../protocol/bytes.ts';
import { nobleSuite } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { collectedFrom } from '../../protocol/machines/collected.ts';
import { makeSigning, type Signing } from '../../protocol/signing/digests.ts';
import { topOf, voucherDigest } from '../../protocol/vouchers.ts';
import { decodeOwn } from '../../protocol/wire/messages.ts';
import type { Row } from '../l2/rows.ts';
import { Vault } from '../l2/vault.ts';
import { readKeyFile } from './hub-folder.ts';
import { namedForL2 } from './l2-errors.ts';

interface Flags {
  readonly state?: string;
  readonly role: 'pos' | 'charger';
  readonly to?: string;
  readonly from?: string;
  readonly rpc?: string;
  readonly key?: string;
  readonly json: boolean;
}

/** Rows of one transaction: far below a block's gas, and few enough to be announced with their bytes. */
const ROWS_MAX = 100;

interface ReadyRow {
  readonly row: Row;
  readonly top: number;
}

const bad = (path: string, why: string): SundialError =>
  new SundialError('bad_claims', `${path}: ${why}`, {
    severity: 'call',
    remedy: 'Write it again, on the terminal: `sundial claim --state FOLDER --to FILE`.',
  });

function readClaims(path: string): ClaimsFile {
  const how = { severity: 'call', remedy: 'Name a file that `sundial claim --to` wrote.' } as const;
  const parsed = claimsFile.safeParse(readJson(path, 'bad_claims', how));
  if (parsed.success) return parsed.data;
  const { path: field, message } = parsed.error.issues[0]!;
  throw bad(path, `${field.join('.')}: ${message}`);
}

/** A row for the vault. Throws `bad_claims` when it is of another payee or was not signed by who pays. */
function rowOf(path: string, signing: Signing, payee: string, claim: Claim): ReadyRow {
  let message: ReturnType<typeof decodeOwn>;
  try {
    message = decodeOwn(new Uint8Array(Buffer.from(claim.proof, 'base64url')));
  } catch {
    throw bad(path, 'a payment in it does not read');
  }
  if (message.type !== 'collectedVoucher' && message.type !== 'collectedStream')
    throw bad(path, `a ${message.type} is no payment`);
  const collected = collectedFrom(signing, message);
  const { voucher, signature, key } = collected;
  if (`0x${Buffer.from(voucher.payee).toString('hex')}` !== payee)
    throw bad(path, 'a payment of another payee');
  const digest = voucherDigest(signing, voucher);
  if (signing.suite.recover(digest, signature, key) === undefined)
    throw bad(path, 'a payment that nobody signed');
  const { reveal, acknowledgement: word } = claim;
  return {
    top: topOf(voucher, reveal?.k ?? 0),
    row: {
      voucher,
      signature,
      ...(key && { key }),
      ...(reveal && { reveal: { k: reveal.k, preimage: fromHex(reveal.preimage, 32) } }),
      ...(word && {
        acknowledgement: { position: word.position, at: word.at, signature: fromHex(word.signature, 64) },
      }),
    },
  };
}

/** Announced batches beside the file: the same rows must come again, in the same order. */
const announcedPath = (path: string): string => `${path}.announced`;

/** What a run came to. Amounts in units, times of the vault's clock. */
interface Outcome {
  readonly settled: number;
  readonly announced: number;
  readonly executed: number;
  /** When the announced rest may be executed: seconds of the vault's clock; absent: nothing waits. */
  readonly executableAt?: number;
  readonly reasons: readonly string[];
}

async function claimAll(path: string, rpc: string, secret: `0x${string}`): Promise<Outcome> {
  const file = readClaims(path);
  const vault = await Vault.connect(rpc, file.vault as `0x${string}`);
  if (vault.chainId !== file.chainId)
    throw new SundialError(
      'chain_mismatch',
      `the node is of chain ${vault.chainId}, the file of ${file.chainId}`,
      {
        severity: 'call',
        remedy: 'Name a node of that chain with --rpc.',
      },
    );
  const signing = makeSigning(nobleSuite, { chainId: file.chainId, vault: fromHex(file.vault, 20) });
  const account = privateKeyToAccount(secret);
  const payee = fromHex(file.payee, 20);
  await vault.registerPayee(account, payee);
  const rows = file.claims.map((claim) => rowOf(path, signing, file.payee, claim));
  const open: ReadyRow[] = [];
  for (const one of rows)
    if (one.top > (await vault.readLane(one.row.voucher.channel, payee))) open.push(one);

  let [settled, executed, announced] = [0, 0, 0];
  const reasons = new Set<string>();
  const movedBy = (outcomes: readonly { reason: string; moved: number; done: boolean }[]): number => {
    for (const { reason, done } of outcomes) if (!done) reasons.add(reason);
    return outcomes.reduce((sum, { moved }) => sum + moved, 0);
  };

  // What the hub acknowledged, at once; with a word of a key that L2 does not trust it goes the slow way.
  const acknowledged = open.filter(({ row }) => row.acknowledgement !== undefined);
  const mistrusted = new Set<ReadyRow>();
  for (let at = 0; at < acknowledged.length; at += ROWS_MAX) {
    const part = acknowledged.slice(at, at + ROWS_MAX);
    const { outcomes } = await vault.settleBatch(
      account,
      part.map(({ row }) => row),
    );
    settled += movedBy(outcomes);
    for (const { row, reason } of outcomes) if (reason === 'bad_acknowledgement') mistrusted.add(part[row]!);
  }
  const slow = (one: ReadyRow): Row => {
    const { acknowledgement: _, ...row } = one.row;
    return row;
  };

  // What was announced before, when its time has come; then what was not.
  const side = announcedPath(path);
  const known = existsSync(side) ? (JSON.parse(readFileSync(side, 'utf8')) as { proofs: string[] }[]) : [];
  const byProof = new Map(file.claims.map((claim, index) => [claim.proof, rows[index]!]));
  const clock = await vault.readClock();
  const left: { proofs: string[] }[] = [];
  let executableAt: number | undefined;
  for (const batch of known) {
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
  const fresh: { proof: string; one: ReadyRow }[] = [];
  for (const [proof, one] of byProof) {
    if ((one.row.acknowledgement !== undefined && !mistrusted.has(one)) || waits.has(proof)) continue;
    if (one.top > (await vault.readLane(one.row.voucher.channel, payee))) fresh.push({ proof, one });
  }
  for (let at = 0; at < fresh.length; at += ROWS_MAX) {
    const part = fresh.slice(at, at + ROWS_MAX);
    const own = part.map(({ one }) => slow(one));
    // Written first: a batch that is on L2 and forgotten here would be announced anew, and wait anew.
    left.push({ proofs: part.map(({ proof }) => proof) });
    writeDurably(side, `${JSON.stringify(left)}\n`);
    await vault.announce(account, own);
    executableAt = Math.max(executableAt ?? 0, (await vault.executableAt(own)) ?? 0);
    announced += part.length;
  }
  if (existsSync(side) || left.length > 0) writeDurably(side, `${JSON.stringify(left)}\n`);
  return {
    settled,
    announced,
    executed,
    ...(executableAt !== undefined && { executableAt }),
    reasons: [...reasons],
  };
}

async function run(flags: Flags): Promise<void> {
  const say = (words: string, line: object): void =>
    void process.stdout.write(flags.json ? `${JSON.stringify(line)}\n` : `${words}\n`);
  if (flags.state !== undefined && flags.to !== undefined) {
    const claims = claimsOf(readDevice(resolve(flags.state), flags.role));
    const path = resolve(flags.to);
    writeDurably(path, `${JSON.stringify(claims, undefined, 2)}\n`);
    const acknowledged = claims.claims.filter(({ acknowledgement }) => acknowledgement !== undefined).length;
    const rest = claims.claims.length - acknowledged;
    say(`${path}: ${acknowledged} lanes that the hub acknowledged, ${rest} that it did not`, {
      file: path,
      acknowledged,
      waiting: rest,
    });
    return;
  }
  const { from, rpc, key } = flags;
  if (from === undefined || rpc === undefined || key === undefined)
    throw new SundialError('usage', 'nothing to claim, or nowhere', {
      severity: 'call',
      remedy: 'First --state FOLDER --to FILE on the terminal, then --from FILE --rpc URL --key FILE.',
    });
  const outcome = await claimAll(resolve(from), rpc, readKeyFile(resolve(key))).catch((error) => {
    throw namedForL2(error);
  });
  const { settled, executed, announced, executableAt, reasons } = outcome;
  const later =
    executableAt === undefined
      ? ''
      : `; the rest after ${new Date(executableAt * 1000).toISOString()}: run the same command then`;
  const why = reasons.length === 0 ? '' : ` (not all: ${reasons.join(', ')})`;
  say(
    `settled ${formatMoney(settled)}, executed ${formatMoney(executed)}, announced ${announced} lanes${later}${why}`,
    outcome,
  );
}

/** Adds `claim`. */
export function addClaimCommand(program: Command): void {
  program
    .command('claim')
    .description('take what a terminal holds to L2 without a hub')
    .option('--state <folder>', "the terminal's folder; its program may run")
    .option('--role <role>', 'pos or charger', 'pos')
    .option('--to <file>', 'writes there what can be claimed')
    .option('--from <file>', 'claims what such a file holds')
    .option('--rpc <url>', 'a node of the chain')
    .option('--key <file>', 'key of any account with gas money')
    .option('--json', 'one JSON object on stdout', false)
    .action((flags: Flags) => run(flags).catch(fail));
}

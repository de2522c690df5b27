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
import { type ClaimsFile, claimsFile, claimsOf } from '../../hardware/boards/node/till/claims.ts';
import { writeDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { fromHex } from '../../protocol/bytes.ts';
import { nobleSuite } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { Vault } from '../l2/vault.ts';
import { readKeyFile } from './hub-folder.ts';
import { namedForL2 } from './l2-errors.ts';
import { type AnnouncedBatch, type Carried, carryClaims, readyClaim } from './office/carry.ts';

interface Flags {
  readonly state?: string;
  readonly role: 'pos' | 'charger';
  readonly to?: string;
  readonly from?: string;
  readonly rpc?: string;
  readonly key?: string;
  readonly json: boolean;
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

/** Announced batches beside the file. */
const announcedPath = (path: string): string => `${path}.announced`;

async function claimAll(path: string, rpc: string, secret: `0x${string}`): Promise<Carried> {
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
  const claims = file.claims.map((claim) => {
    const ready = readyClaim(signing, file.payee, claim);
    if (typeof ready === 'string') throw bad(path, ready);
    return ready;
  });
  const side = announcedPath(path);
  const isKept = existsSync(side);
  const announced = isKept ? (JSON.parse(readFileSync(side, 'utf8')) as AnnouncedBatch[]) : [];
  return carryClaims({
    vault,
    account: privateKeyToAccount(secret),
    payee: fromHex(file.payee, 20),
    claims,
    announced,
    keep: (left) => {
      if (isKept || left.length > 0) writeDurably(side, `${JSON.stringify(left)}\n`);
    },
  });
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

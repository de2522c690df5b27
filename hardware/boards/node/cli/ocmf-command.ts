/** `sundial ocmf verify`: did the meter's key sign just this? */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { SundialError } from '../../../../protocol/errors.ts';
import { checkOcmf } from '../ocpp/ocmf.ts';
import { type OcmfItem, ocmfItems } from '../ocpp/ocmf-record.ts';
import { verifierPage } from '../ocpp/verifier/page.ts';
import { fail } from './output.ts';

interface Flags {
  readonly key?: string;
  readonly json: boolean;
}

/** Throws `bad_file` when it can't be read. */
function textOf(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (cause) {
    throw new SundialError('bad_file', `${path} can't be read: ${(cause as Error).message}`, {
      severity: 'call',
      remedy: 'Name a file with a record, or - for what is piped in.',
    });
  }
}

function check({ record, publicKey }: OcmfItem, key: string | undefined) {
  const used = key ?? publicKey;
  if (used === undefined)
    throw new SundialError('bad_meter_key', 'the file names no key', {
      severity: 'call',
      remedy: "Give the meter's public key with --key, in hex or base64.",
    });
  const { verified, reason, method, payload } = checkOcmf(record, used);
  const { MS: meter, PG: page, IT: identification, ID: token, TT: tariff, RD } = payload;
  return {
    verified,
    ...(reason !== undefined && { reason }),
    method,
    meter,
    page,
    identification,
    token,
    tariff,
    readings: RD.map(({ TM, TX, RV, RU, RI, ST }) => ({
      time: TM,
      kind: TX,
      value: RV,
      unit: RU,
      register: RI,
      status: ST,
    })),
  };
}

function run(path: string, flags: Flags): void {
  const checks = ocmfItems(textOf(path)).map((item) => check(item, flags.key));
  const verified = checks.every((one) => one.verified);
  if (flags.json) process.stdout.write(`${JSON.stringify({ verified, records: checks })}\n`);
  else
    for (const { verified: right, reason, method, meter = 'unnamed', readings } of checks) {
      process.stdout.write(`${right ? 'VERIFIED' : `NOT VERIFIED: ${reason}`} (meter ${meter}, ${method})\n`);
      for (const { time, kind = '-', value, unit, status } of readings)
        process.stdout.write(`  ${kind} ${time}  ${value} ${unit}  ${status}\n`);
    }
  process.exitCode = verified ? 0 : 1;
}

async function writePage({ to }: { readonly to: string }): Promise<void> {
  const page = await verifierPage();
  try {
    writeFileSync(to, page);
  } catch (cause) {
    throw new SundialError('bad_file', `${to} can't be written: ${(cause as Error).message}`, {
      severity: 'call',
      remedy: 'Name a file in a folder where you may write with --to.',
    });
  }
  process.stdout.write(`${to}: ${page.length} characters; it opens in any browser and needs no network\n`);
}

/** Adds `sundial ocmf`. */
export function addOcmfCommand(program: Command): void {
  const ocmf = program.command('ocmf').description('signed records of charge meters');
  ocmf
    .command('page')
    .description(
      'writes a page, one file, in which anybody checks such records: in their own browser, with no network',
    )
    .option('--to <file>', 'where', 'ocmf.html')
    .action((flags: { readonly to: string }) => writePage(flags).catch(fail));
  ocmf
    .command('verify')
    .description(
      'checks the signature of every record in a file: OCMF itself, or the XML of transparency software',
    )
    .argument('<file>', 'the file, or - for what is piped in')
    .option('--key <text>', "the meter's public key, hex or base64, instead of the one in the file")
    .option('--json', 'one JSON object', false)
    .action((path: string, flags: Flags) => {
      try {
        run(path, flags);
      } catch (error) {
        fail(error);
      }
    });
}

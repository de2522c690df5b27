import type { Command } from 'commander';
import { z } from 'zod';
import { equalBytes, fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { amount, channelId, type Seconds, seconds, seq } from '../../protocol/integers.ts';
import type { Timing } from '../../protocol/limits.ts';
import {
  type CountersignAnswer,
  countersign,
  isPromised,
  terminalsSynced,
} from '../../protocol/machines/payee.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { creditEntry } from '../../protocol/vouchers.ts';
import { decodeMessage, encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import { formatMoney } from '../../hardware/boards/node/cli/money.ts';
import { askHub } from './ask-hub.ts';
import { namedForL2 } from './l2-errors.ts';
import { addPayeeWatchCommand } from './payee-watch-command.ts';
import { type Office, ofPayee, officeOf, officeUplink, type PayeeFlags } from './payee-office.ts';
import { vaultAbi } from '../l2/abi.ts';
import { Vault } from '../l2/vault.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';

const creditsSchema = z.object({
  terminals: z.array(
    z.object({ terminal: z.string(), syncedAt: z.number(), signature: z.string().optional() }),
  ),
  credits: z.array(
    z.object({
      voucher: z.string(),
      channel: z.number(),
      seq: z.number(),
      requestAt: z.number(),
      promised: z.number(),
      countersigned: z.number(),
      proved: z.boolean(),
      collected: z.string(),
      signature: z.string(),
    }),
  ),
});

/** How long the hub may take to acknowledge a credit. */
const ACKNOWLEDGE_MS = 20_000;

/** Sends one message and waits until the hub acknowledges or refuses `entry`. */
function sendUntilAcknowledged(office: Office, message: Message, entry: Uint8Array) {
  return new Promise<void>((resolve, reject) => {
    const uplink = officeUplink(office, office.mqttUrl!);
    const done = (error?: SundialError): void => {
      clearTimeout(timer);
      uplink.close();
      if (error === undefined) resolve();
      else reject(error);
    };
    const trouble = (what: string): SundialError =>
      new SundialError('credit_not_taken', what, {
        severity: 'call',
        remedy: 'Run it again when the hub is there; countersigning twice does no harm.',
      });
    const timer = setTimeout(() => done(trouble('the hub did not answer')), ACKNOWLEDGE_MS);
    uplink.receive(
      (bytes) => {
        const decoded = decodeMessage(bytes, 'sync');
        if (!decoded.ok || decoded.message === undefined) return;
        const answer = decoded.message;
        if (answer.type === 'acknowledgement' && equalBytes(answer.entry, entry)) done();
        if (answer.type === 'rejection' && equalBytes(answer.entry, entry))
          done(trouble(`the hub refused it with code ${answer.code}`));
      },
      (connected) => {
        if (connected) uplink.send(encodeMessage(message));
      },
    );
  });
}

/** L2 time, and the clocks that its vault was made with. */
async function clockOf({
  rpcUrl,
  vault,
}: Office): Promise<{ now: Seconds; timing: Pick<Timing, 'payeeOfflineMax'> }> {
  const { client, address } = await Vault.connect(rpcUrl, vault);
  const [block, payeeOfflineMax] = await Promise.all([
    client.getBlock(),
    client.readContract({ address, abi: vaultAbi, functionName: 'payeeOfflineMax' }),
  ]);
  return { now: seconds(Number(block.timestamp)), timing: { payeeOfflineMax } };
}

async function run(flags: PayeeFlags): Promise<void> {
  const site = officeOf(flags);
  const key = nobleKey(fromHex(site.secret));
  const payee = toHex(key.address);
  const signing = makeSigning(nobleSuite, { chainId: site.chainId, vault: fromHex(site.vault) });
  const answer = await askHub({ url: site.statusUrl }, `/credits?payee=${payee}`);
  const { terminals, credits } = creditsSchema.parse(answer);
  // How long a terminal may stay away, and whether that is over, is L2's to say and not the hub's.
  const { now, timing } = await clockOf(site);
  const own = site.terminals.map((terminal) => fromHex(terminal as `0x${string}`, 20));
  const terminalsSyncedAt = terminalsSynced(
    signing,
    own,
    terminals.map(({ terminal, syncedAt, signature }) => ({
      terminal: fromHex(terminal, 20),
      at: seconds(syncedAt),
      signature: signature === undefined ? undefined : fromHex(signature, 64),
    })),
  );
  const answers: { voucher: string; credited: number; answer: CountersignAnswer }[] = [];
  for (const credit of credits) {
    const promised = amount(credit.promised);
    const requestAt = seconds(credit.requestAt);
    const voucher = fromHex(credit.voucher, 32);
    const told = {
      voucher,
      requestAt,
      promised,
      collected: fromHex(credit.collected),
      signature: fromHex(credit.signature, 64),
    };
    const facts = {
      requestAt,
      promised,
      countersigned: amount(credit.countersigned),
      proved: credit.proved,
      terminalsSyncedAt,
    };
    const answer = isPromised(signing, key.address, own, told) ? countersign(facts, now, timing) : 'unproved';
    if (answer === 'sign') {
      const entry = creditEntry(signing, voucher, promised);
      const signature = await key.sign(entry);
      const message: Message = {
        type: 'collectedCredit',
        channel: channelId(credit.channel),
        seq: seq(credit.seq),
        voucher,
        credited: promised,
        signature,
        byPayee: 1,
      };
      await sendUntilAcknowledged(site, message, entry);
    }
    answers.push({ voucher: credit.voucher, credited: credit.promised, answer });
    if (!flags.json)
      process.stdout.write(
        `${credit.voucher.slice(0, 14)}  ${formatMoney(credit.promised).padStart(10)}  ${answer}\n`,
      );
  }
  if (flags.json) process.stdout.write(`${JSON.stringify({ payee, credits: answers })}\n`);
  else if (answers.length === 0) process.stdout.write('no credit waits for a signature\n');
}

const failL2 = (error: unknown): never => fail(namedForL2(error));

/** Adds `sundial payee`, and returns it. */
export function addPayeeCommand(program: Command): Command {
  const payee = ofPayee(
    program,
    'payee',
    "a payee's back office: countersigns the credits that its terminals promised",
  ).action((flags: PayeeFlags) => run(flags).then(() => process.exit(0), failL2));
  addPayeeWatchCommand(payee);
  return payee;
}

/** `sundial channel open|top-up|show|exit`: an owner's acts on L2; `revoke|allow`: what the operator does for it. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { isAddress } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { Vault } from '../l2/vault.ts';
import { SundialError } from '../../protocol/errors.ts';
import { UINT32_MAX } from '../../protocol/integers.ts';
import { addWearable, readSite, type Site } from './site.ts';
import { STATE_ROOT } from '../../hardware/boards/node/cli/paths.ts';
import { formatMoney, parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { keyKind } from '../../hardware/boards/node/cli/flags.ts';
import { askHub } from './ask-hub.ts';
import { namedForL2 } from './l2-errors.ts';
import { requireFunds } from './owner-funds.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';

interface Flags {
  readonly site: string;
  readonly json: boolean;
  readonly channel?: string;
  readonly amount?: string;
  readonly payer?: string;
  readonly device?: string;
  readonly key: string;
  readonly finish?: boolean;
}

interface Act {
  readonly site: Site;
  readonly vault: Vault;
  readonly owner: ReturnType<typeof privateKeyToAccount>;
  readonly flags: Flags;
}

function print(flags: Flags, facts: Readonly<Record<string, unknown>>): void {
  if (flags.json) process.stdout.write(`${JSON.stringify(facts)}\n`);
  else
    for (const [name, value] of Object.entries(facts)) process.stdout.write(`${name.padEnd(12)} ${value}\n`);
}

function need(value: string | undefined, flag: string, example: string): string {
  if (value !== undefined) return value;
  throw new SundialError('missing_flag', `${flag} is missing`, {
    severity: 'call',
    remedy: `Give it, for example ${flag} ${example}`,
  });
}

/** The number after --channel. Throws `missing_flag` or `bad_channel`. */
function channelOf(flags: Flags): number {
  const text = need(flags.channel, '--channel', '1');
  if (/^\d{1,10}$/.test(text) && Number(text) <= UINT32_MAX) return Number(text);
  throw new SundialError('bad_channel', `"${text}" is no channel`, {
    severity: 'call',
    remedy: 'Give its number on L2, for example --channel 1',
  });
}

async function show({ vault, flags }: Act): Promise<void> {
  const channel = channelOf(flags);
  const state = await vault.readChannel(channel);
  print(flags, {
    channel,
    owner: state.owner,
    payer: state.payer,
    deposited: flags.json ? state.deposited : formatMoney(state.deposited),
    credited: flags.json ? state.credited : formatMoney(state.credited),
    free: flags.json ? state.free : formatMoney(state.free),
    bond: flags.json ? state.bond : formatMoney(state.bond),
    exit: state.exitReady === 0 ? 'none' : `ready at ${new Date(state.exitReady * 1000).toISOString()}`,
  });
}

async function open(act: Act): Promise<void> {
  const { site, vault, owner, flags } = act;
  const deposit = parseMoney(need(flags.amount, '--amount', '300'));
  await requireFunds(vault, owner.address, deposit);
  const facts = { deposited: flags.json ? deposit : formatMoney(deposit) };
  if (flags.device === undefined) {
    const payer = need(flags.payer, '--payer', '0x<address of the device>').toLowerCase();
    if (!isAddress(payer))
      throw new SundialError('address', `${flags.payer} is no address on L2`, {
        severity: 'call',
        remedy: 'Give --payer 0x and 40 hex digits.',
      });
    const { channel } = await vault.openChannel(owner, { payer, amount: deposit });
    return print(flags, { channel, ...facts });
  }
  const device = await addWearable(
    flags.site,
    site,
    vault,
    resolve(flags.device),
    keyKind(flags.key),
    deposit,
  );
  print(flags, { channel: device.channel, payer: device.address, ...facts, device: device.state });
}

async function topUp(act: Act): Promise<void> {
  const { vault, owner, flags } = act;
  const amount = parseMoney(need(flags.amount, '--amount', '50'));
  await requireFunds(vault, owner.address, amount);
  await vault.topUp(owner, channelOf(flags), amount);
  await show(act);
}

/** The operator's word to the running hub. */
async function tellHub({ site, flags }: Act, word: 'revoke' | 'allow'): Promise<void> {
  const hub = { url: site.statusUrl, tokenFile: site.tokenFile };
  const answer = await askHub(hub, `/v1/channels/${channelOf(flags)}/${word}`, 'POST');
  print(flags, answer as Record<string, unknown>);
}

const revoke = (act: Act): Promise<void> => tellHub(act, 'revoke');
const allow = (act: Act): Promise<void> => tellHub(act, 'allow');

async function exit(act: Act): Promise<void> {
  const { vault, owner, flags } = act;
  const channel = channelOf(flags);
  if (!flags.finish) {
    await vault.startExit(owner, channel);
    return show(act);
  }
  const { returned } = await vault.finishExit(owner, channel);
  print(flags, { channel, returned: flags.json ? returned : formatMoney(returned) });
}

/** Adds `sundial channel` and what is below it. */
export function addChannelCommand(program: Command): void {
  const channel = program
    .command('channel')
    .description("an owner's channel on L2: open, top-up, show, exit");
  const sub = (name: string, words: string, act: (act: Act) => Promise<void>) =>
    channel
      .command(name)
      .description(words)
      .option('--site <folder>', 'folder of a site that `npm start` made', resolve(STATE_ROOT, 'demo'))
      .option('--json', 'one JSON object on stdout', false)
      .action(async (flags: Flags) => {
        try {
          const site = readSite(flags.site);
          const vault = await Vault.connect(site.rpcUrl, site.vault);
          await act({ site, vault, owner: privateKeyToAccount(site.keys.owner), flags });
        } catch (error) {
          fail(namedForL2(error));
        }
      });
  sub('open', 'opens a channel for a device', open)
    .option('--payer <address>', "the device's address")
    .option('--device <folder>', 'instead of --payer: makes a wearable there that pays from the channel')
    .option('--key <kind>', 'with --device: memory, or p256 for a (simulated) secure element', 'memory')
    .option('--amount <amount>', 'deposit, of which a fifth becomes the bond');
  sub('top-up', 'adds to the deposit', topUp)
    .option('--channel <number>', 'which channel')
    .option('--amount <amount>', 'what to add');
  sub('show', 'prints what L2 knows of a channel', show).option('--channel <number>', 'which channel');
  sub('revoke', 'a lost device: terminals that hear of it refuse it, and it gets no lease', revoke).option(
    '--channel <number>',
    'which channel',
  );
  sub('allow', 'takes a revocation back', allow).option('--channel <number>', 'which channel');
  sub('exit', 'starts leaving; with --finish takes the rest home once the delay is over', exit)
    .option('--channel <number>', 'which channel')
    .option('--finish', 'finish an exit whose delay is over', false);
}

/**
 * `sundial channel open|top-up|show|give|accept|recovery|exit`: an owner's acts on L2; `revoke|allow`: what the operator
 * does for it. Chain and vault are those of the operator's folder at hand, or of a trial's site.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { p256 } from '@noble/curves/nist.js';
import type { Command } from 'commander';
import type { Address } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { Vault } from '../l2/vault.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleSuite } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { UINT32_MAX } from '../../protocol/integers.ts';
import { addWearable, readSite, type Site } from './site.ts';
import { STATE_ROOT } from '../../hardware/boards/node/cli/paths.ts';
import { formatMoney, parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { keyKind } from '../../hardware/boards/node/cli/flags.ts';
import { askHub, type HubAddress } from './ask-hub.ts';
import { hubJson, keyFile, openHubFolder, readKeyFile } from './hub-folder.ts';
import { addressOf } from './l2-address.ts';
import { namedForL2 } from './l2-errors.ts';
import { requireFunds } from './owner-funds.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';

interface Flags {
  readonly site?: string;
  readonly folder: string;
  readonly ownerKey?: string;
  readonly json: boolean;
  readonly channel?: string;
  readonly amount?: string;
  readonly recovery?: string;
  readonly payer?: string;
  readonly device?: string;
  readonly key: string;
  readonly to?: string;
  readonly finish?: boolean;
}

/** Where an owner acts. */
interface Place {
  readonly rpcUrl: string;
  readonly vault: Address;
  readonly secret: `0x${string}`;
  readonly hub: HubAddress;
  /** Of a trial: it can make devices, too. */
  readonly site: { readonly path: string; readonly facts: Site } | undefined;
}

interface Act {
  readonly place: Place;
  readonly vault: Vault;
  readonly owner: ReturnType<typeof privateKeyToAccount>;
  readonly flags: Flags;
}

/** The operator's folder when there is one and no site was named. Throws as the readers of both do. */
function placeOf({ site, folder, ownerKey }: Flags): Place {
  const given = ownerKey === undefined ? undefined : readKeyFile(resolve(ownerKey));
  if (site === undefined && existsSync(hubJson(folder))) {
    const { path, config, hub } = openHubFolder(folder);
    const secret = given ?? readKeyFile(keyFile(path, 'owner'));
    return { rpcUrl: config.chain.rpcUrl[0]!, vault: config.chain.vault, secret, hub, site: undefined };
  }
  const path = site ?? DEMO_SITE;
  const facts = readSite(path);
  const { rpcUrl, vault, keys, statusUrl, tokenFile } = facts;
  const hub = { url: statusUrl, tokenFile };
  return { rpcUrl, vault, secret: given ?? keys.owner, hub, site: { path, facts } };
}
const DEMO_SITE = resolve(STATE_ROOT, 'demo');

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

/** The account after --to. Throws `missing_flag` or `address`. */
function recipientOf(flags: Flags): Address {
  return addressOf(need(flags.to, '--to', '0x<account on L2>'), '--to');
}

const clockText = (at: number): string => new Date(at * 1000).toISOString();

async function show({ vault, flags }: Act): Promise<void> {
  const channel = channelOf(flags);
  const state = await vault.readChannel(channel);
  const offer = await vault.mandates.offerOf(channel);
  print(flags, {
    channel,
    owner: state.owner,
    payer: state.payer,
    deposited: flags.json ? state.deposited : formatMoney(state.deposited),
    credited: flags.json ? state.credited : formatMoney(state.credited),
    free: flags.json ? state.free : formatMoney(state.free),
    bond: flags.json ? state.bond : formatMoney(state.bond),
    exit: state.exitReady === 0 ? 'none' : `ready at ${clockText(state.exitReady)}`,
    ...(offer && { offered: `${offer.next} from ${clockText(offer.readyAt)}` }),
  });
}

/** A P-256 key of a device, and its address. Throws `bad_key` when it is no point of that curve: nothing could ever pay. */
function p256KeyOf(text: `0x${string}`): { readonly bytes: Uint8Array; readonly address: Address } {
  const bytes = fromHex(text, 64);
  try {
    p256.Point.fromBytes(Uint8Array.of(4, ...bytes)).assertValidity();
  } catch (cause) {
    throw new SundialError('bad_key', `${text} is no P-256 key`, {
      severity: 'call',
      remedy:
        'Give x and y of the key as the secure element shows them, 64 bytes; of another key its address.',
      cause,
    });
  }
  return { bytes, address: toHex(nobleSuite.keccak256(bytes).slice(12)) };
}

async function open(act: Act): Promise<void> {
  const { place, vault, owner, flags } = act;
  const deposit = parseMoney(need(flags.amount, '--amount', '300'));
  await requireFunds(vault, owner.address, deposit);
  const facts = { deposited: flags.json ? deposit : formatMoney(deposit) };
  if (flags.device === undefined) {
    const named = need(flags.payer, '--payer', '0x<address of the device>').toLowerCase();
    const key = /^0x[0-9a-f]{128}$/.test(named) ? p256KeyOf(named as `0x${string}`) : undefined;
    const payer = key === undefined ? addressOf(named, '--payer') : key.address;
    const recovery = flags.recovery === undefined ? undefined : addressOf(flags.recovery, '--recovery');
    const opening = { payer, amount: deposit, p256: key?.bytes, recovery };
    const { channel } = await vault.openChannel(owner, opening);
    return print(flags, { channel, ...(key && { payer }), ...facts });
  }
  if (place.site === undefined)
    throw new SundialError('no_site', '--device makes wearables for a trial only', {
      severity: 'call',
      remedy: 'Enrol the device (`sundial device enrol`), or name its address with --payer.',
    });
  const { path, facts: site } = place.site;
  const device = await addWearable(path, site, vault, resolve(flags.device), keyKind(flags.key), deposit);
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
async function tellHub({ place, flags }: Act, word: 'revoke' | 'allow'): Promise<void> {
  const answer = await askHub(place.hub, `/v1/channels/${channelOf(flags)}/${word}`, 'POST');
  print(flags, answer as Record<string, unknown>);
}

const revoke = (act: Act): Promise<void> => tellHub(act, 'revoke');
const allow = (act: Act): Promise<void> => tellHub(act, 'allow');

async function exit(act: Act): Promise<void> {
  const { vault, owner, flags } = act;
  const channel = channelOf(flags);
  if (!flags.finish) {
    if (flags.to === undefined) await vault.startExit(owner, channel);
    else await vault.mandates.startExitTo(owner, channel, recipientOf(flags));
    return show(act);
  }
  const { returned } = await vault.finishExit(owner, channel);
  print(flags, { channel, returned: flags.json ? returned : formatMoney(returned) });
}

const NOBODY = `0x${'0'.repeat(40)}` as const;

async function give(act: Act): Promise<void> {
  const next = act.flags.to === 'nobody' ? NOBODY : recipientOf(act.flags);
  await act.vault.mandates.offer(act.owner, channelOf(act.flags), next);
  await show(act);
}

async function accept(act: Act): Promise<void> {
  await act.vault.mandates.accept(act.owner, channelOf(act.flags));
  await show(act);
}

async function recovery({ vault, owner, flags }: Act): Promise<void> {
  const account = flags.to === 'nobody' ? NOBODY : recipientOf(flags);
  const channel = channelOf(flags);
  await vault.mandates.nameRecovery(owner, channel, account);
  print(flags, { channel, recovery: account === NOBODY ? 'nobody' : account });
}

/** Adds `sundial channel` and what is below it. */
export function addChannelCommand(program: Command): void {
  const channel = program
    .command('channel')
    .description("an owner's channel on L2: open, top-up, show, hand on, exit");
  const sub = (name: string, words: string, act: (act: Act) => Promise<void>) =>
    channel
      .command(name)
      .description(words)
      .option('--folder <path>', 'folder that `sundial init` made', '.')
      .option(
        '--site <folder>',
        'of a trial: folder that `npm start` made; the last one when no folder is at hand',
      )
      .option('--owner-key <file>', "the owner's key; keys/owner.key of the folder when absent")
      .option('--json', 'one JSON object on stdout', false)
      .action(async (flags: Flags) => {
        try {
          const place = placeOf(flags);
          const vault = await Vault.connect(place.rpcUrl, place.vault);
          await act({ place, vault, owner: privateKeyToAccount(place.secret), flags });
        } catch (error) {
          fail(namedForL2(error));
        }
      });
  sub('open', 'opens a channel for a device', open)
    .option('--payer <address>', "the device's address; of a P-256 device its key (x and y)")
    .option('--device <folder>', 'instead of --payer: makes a wearable there that pays from the channel')
    .option('--key <kind>', 'with --device: memory, or p256 for a (simulated) secure element', 'memory')
    .option('--recovery <address>', 'with --payer: may hand the channel on, slowly, should your key be lost')
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
  sub('give', 'offers the channel to another account, which accepts; the recovery account may, slowly', give)
    .option('--channel <number>', 'which channel')
    .option('--to <address>', 'who may accept; nobody takes an offer back');
  sub('accept', 'takes over a channel that was offered to the account of --owner-key', accept).option(
    '--channel <number>',
    'which channel',
  );
  sub(
    'recovery',
    'names who may offer the channel, with 30 days of notice, should this key be lost',
    recovery,
  )
    .option('--channel <number>', 'which channel')
    .option('--to <address>', 'the account, or nobody');
  sub('exit', 'starts leaving; with --finish takes the rest home once the delay is over', exit)
    .option('--channel <number>', 'which channel')
    .option('--to <address>', 'who gets the rest instead of the owner')
    .option('--finish', 'finish an exit whose delay is over', false);
}

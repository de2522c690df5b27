/**
 * What an operator does from day to day, in the folder that `sundial init` made: merchants, terminals, devices, finding a
 * payment, statements, settling, tokens, a link to the console. All of it asks the running hub.
 */
import { existsSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { privateKeyToAccount } from 'viem/accounts';
import { dateText } from '../../hardware/boards/node/cli/date.ts';
import { keyKind } from '../../hardware/boards/node/cli/flags.ts';
import { formatMoney, parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { fail, shellWord } from '../../hardware/boards/node/cli/output.ts';
import { codeText } from '../../hardware/boards/node/links/qr/image.ts';
import { fromHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { UINT32_MAX } from '../../protocol/integers.ts';
import type { HubConfig } from '../config.ts';
import { Vault } from '../l2/vault.ts';
import { askHub } from './ask-hub.ts';
import { ensureKey, type HubFolder, keyFile, openHubFolder, readKeyFile } from './hub-folder.ts';
import { namedForL2 } from './l2-errors.ts';
import { addressOf } from './l2-address.ts';
import { provisionDevice, readInvitation } from './provision.ts';

/** Forms of a statement besides JSON, each with a flag of its name. */
const FORMS = ['csv', 'html', 'pdf', 'camt053', 'camt054'] as const;
type Form = (typeof FORMS)[number];

/** Throws `file_exists`: nothing that is there is written over. */
function writeNew(path: string, text: string | Uint8Array): void {
  if (existsSync(path)) throw wrong('file_exists', `${path} is there already`, 'Name a new file.');
  writeFileSync(path, text, { flag: 'wx' });
}

interface Common {
  readonly folder: string;
  readonly json: boolean;
}

const wrong = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'call', remedy });

function wholeNumber(text: string, flag: string, max: number): number {
  if (/^\d{1,10}$/.test(text) && Number(text) <= max) return Number(text);
  throw wrong(
    'bad_number',
    `${flag} ${text} is no whole number up to ${max}`,
    `Give one, for example ${flag} 5`,
  );
}

/** A day such as 2026-11-29, or a moment with a time; UTC unless it says otherwise. Seconds. */
function moment(text: string, flag: string): number {
  const at = Date.parse(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
  if (Number.isFinite(at) && at >= 0) return Math.floor(at / 1000);
  throw wrong('bad_time', `${flag} "${text}" is no day`, `Give ${flag} 2026-11-29 or 2026-11-29T14:00:00Z`);
}

const DAY = 86_400;

/** Does the hub of this folder tell L2 of its merchants by itself? */
const carriesPayees = ({ keys, registry }: HubConfig): boolean =>
  keys.operator !== undefined && registry.everyMs > 0;

/** How long a command waits until L2 was told of a merchant, and between two looks, milliseconds. */
const VOUCHED_MS = 20_000;
const LOOK_MS = 250;

/** Does L2 vouch for a payee, or soon? */
async function isVouchedSoon(vault: Vault, payee: Uint8Array): Promise<boolean> {
  for (const end = Date.now() + VOUCHED_MS; ; ) {
    const id = await vault.payeeId(payee);
    if (id !== undefined && (await vault.readAccreditation(id)).since !== 0) return true;
    if (Date.now() >= end) return false;
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
}

const act =
  <F extends Common>(run: (folder: HubFolder, flags: F, ...words: string[]) => Promise<unknown>) =>
  (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command;
    const words = given.slice(0, -2) as string[];
    const flags = command.optsWithGlobals() as F;
    return (async () => {
      const answer = await run(openHubFolder(flags.folder ?? '.'), flags, ...words);
      if (flags.json) process.stdout.write(`${JSON.stringify(answer)}\n`);
    })().then(
      () => process.exit(0),
      (error: unknown) => fail(namedForL2(error)),
    );
  };
const sub = (under: Command, name: string, words: string): Command =>
  under
    .command(name)
    .description(words)
    .option('--folder <path>', 'folder that `sundial init` made', '.')
    .option('--json', 'one JSON object on stdout', false);
const say = (flags: Common, text: string): void => void (flags.json || process.stdout.write(`${text}\n`));

/** Adds the commands below a folder; `payee` is the command that the back office has already. */
export function addDeskCommands(program: Command, payee: Command): void {
  type Merchant = { name: string; address: string; wideMax: number };

  // ---- merchants ----

  sub(
    payee,
    'add',
    'a merchant: its key (made here, or yours), its id and accreditation on L2, its place at the hub',
  )
    .argument('<name>', 'as people call it')
    .option('--key-file <file>', "the merchant's key; made in keys/ when absent")
    .option('--terminals <n>', 'how many terminals it is accredited for', '5')
    .option(
      '--wide-max <amount>',
      'most that its terminals take on leases that nothing covers; its own risk',
      '0',
    )
    .action(
      act(
        async (
          { path, config, hub },
          flags: Common & { keyFile?: string; terminals: string; wideMax: string },
          name = '',
        ) => {
          const wideMax = parseMoney(flags.wideMax);
          const terminals = wholeNumber(flags.terminals, '--terminals', 255);
          const file = flags.keyFile ?? keyFile(path, `payee-${name.replace(/[^\p{L}\p{N}-]/gu, '_')}`);
          const key = flags.keyFile === undefined ? ensureKey(file) : readKeyFile(file);
          const account = privateKeyToAccount(key);
          const vault = await Vault.connect(config.chain.rpcUrl[0]!, config.chain.vault);
          const payee = fromHex(account.address.toLowerCase(), 20);
          const hubCarries = carriesPayees(config);
          if (!hubCarries)
            await vault.accredit(
              privateKeyToAccount(readKeyFile(keyFile(path, 'operator'))),
              payee,
              terminals,
            );
          const wish = { name, key, wideMax, terminals };
          const merchant = (await askHub(hub, '/v1/payees', 'POST', wish)) as Merchant;
          say(flags, `${merchant.name} is ${merchant.address}; its key is ${file}`);
          if (hubCarries && !(await isVouchedSoon(vault, payee)))
            say(
              flags,
              'L2 does not vouch for it yet: the hub tells it when it can (see `registry` of /status)',
            );
          say(flags, `next:\n  npx sundial terminal enrol "till 1" --payee ${shellWord(name)}`);
          return merchant;
        },
      ),
    );
  sub(payee, 'list', 'merchants of this hub').action(
    act(async ({ hub }, flags: Common) => {
      const answer = (await askHub(hub, '/v1/payees')) as { payees: Merchant[] };
      for (const { name, address } of answer.payees) say(flags, `${address}  ${name}`);
      return answer;
    }),
  );
  sub(payee, 'remove', 'ends enrolment and accreditation of a merchant; its money stays its own')
    .argument('<name>', 'name or address')
    .action(
      act(async ({ path, config, hub }, _flags: Common, name = '') => {
        const { payees } = (await askHub(hub, '/v1/payees')) as { payees: Merchant[] };
        const found = payees.find((one) => one.name === name || one.address === name);
        // Where the hub doesn't do it. First: repeated it changes nothing, and nobody falls out of a pot by it that is open until it takes effect.
        if (found !== undefined && !carriesPayees(config)) {
          const vault = await Vault.connect(config.chain.rpcUrl[0]!, config.chain.vault);
          const operator = privateKeyToAccount(readKeyFile(keyFile(path, 'operator')));
          await vault.endAccreditation(operator, fromHex(found.address as `0x${string}`, 20));
        }
        return askHub(hub, `/v1/payees/${encodeURIComponent(name)}`, 'DELETE');
      }),
    );

  // ---- devices ----

  type EnrolFlags = Common & { payee?: string; role: string; minutes: string; hub?: string; into?: string };
  const enrol = act(async ({ hub }, flags: EnrolFlags, name = '') => {
    const minutes = wholeNumber(flags.minutes, '--minutes', 7 * 24 * 60);
    const wish = {
      name,
      role: flags.role,
      minutes,
      ...(flags.payee !== undefined && { payee: flags.payee }),
    };
    const { code, expiresAt } = (await askHub(hub, '/v1/enrolments', 'POST', wish)) as {
      code: string;
      expiresAt: number;
    };
    const invitation = `${new URL(flags.hub ?? hub.url!).origin}/#${code}`;
    if (flags.into !== undefined) {
      const made = await provisionDevice(invitation, flags.into, 'memory', {});
      say(flags, `${made.name} (${made.address}) is in ${made.folder}`);
      return made;
    }
    say(
      flags,
      `${codeText(invitation)}\n${invitation}\nonce, until ${dateText(expiresAt)} UTC; on the device:`,
    );
    say(flags, `  npx sundial device provision ${shellWord(invitation)} --into FOLDER`);
    return { invitation, code, expiresAt };
  });
  const terminal = program
    .command('terminal')
    .description('tills and chargers of merchants: enrol, list, revoke');
  sub(terminal, 'enrol', 'a one-time code for a till or a charger, as text and as a picture')
    .argument('<name>', 'as people call it')
    .requiredOption('--payee <name>', 'whose it is')
    .option('--role <role>', 'pos or charger', 'pos')
    .option('--minutes <n>', 'how long the code is good', '60')
    .option('--hub <url>', 'address of this hub as the device reaches it; its own when absent')
    .option('--into <folder>', 'make the terminal there at once, instead of a code')
    .action(enrol);
  type Device = {
    name: string;
    role: string;
    address: string;
    online: boolean;
    merchant?: string;
    revokedAt?: number;
  };
  sub(terminal, 'list', 'devices: whose, online, revoked').action(
    act(async ({ hub }, flags: Common) => {
      const answer = (await askHub(hub, '/v1/devices')) as { devices: Device[] };
      for (const { name, role, address, online, merchant = '-', revokedAt } of answer.devices)
        say(
          flags,
          `${address}  ${role.padEnd(8)}  ${name.padEnd(20)}  ${merchant.padEnd(20)}  ${revokedAt !== undefined ? 'revoked' : online ? 'online' : 'offline'}`,
        );
      return answer;
    }),
  );
  sub(terminal, 'revoke', 'registers it no more; what it sold is taken as ever')
    .argument('<name>', 'name or address')
    .action(
      act(async ({ hub }, flags: Common, name = '') => {
        const answer = (await askHub(hub, `/v1/devices/${encodeURIComponent(name)}/revoke`, 'POST')) as {
          acceptsUntil?: number;
        };
        say(
          flags,
          answer.acceptsUntil === undefined
            ? 'revoked'
            : `revoked; it may accept with no network until ${dateText(answer.acceptsUntil)} UTC`,
        );
        return answer;
      }),
    );
  const device = program.command('device').description("devices: a customer's code, and what a code becomes");
  sub(device, 'enrol', 'a one-time code for a wearable or a car')
    .argument('<name>', 'as people call it')
    .option('--role <role>', 'wearable or car', 'wearable')
    .option('--minutes <n>', 'how long the code is good', '60')
    .option('--hub <url>', 'address of this hub as the device reaches it; its own when absent')
    .action(enrol);
  device
    .command('provision')
    .description('makes a device of a one-time code; run it where the device is')
    .argument('<invitation>', 'http://host:port/#CODE, as it was printed or read from the picture')
    .requiredOption('--into <folder>', 'where the device keeps its state')
    .option('--key <kind>', 'payers: memory, or p256 for a (simulated) secure element', 'memory')
    .option('--owner-key <file>', "payers: the owner's key, which opens the channel and is not stored")
    .option('--deposit <amount>', 'payers: what is deposited, of which a fifth becomes the bond')
    .option('--recovery <address>', "payers: may hand the channel on, slowly, should the owner's key be lost")
    .option('--rpc <url>', 'payers: a node of the chain')
    .option('--channel <number>', 'payers: a channel that was opened for this device, instead')
    .option('--json', 'one JSON object on stdout', false)
    .action(
      (
        invitation: string,
        flags: {
          into: string;
          key: string;
          ownerKey?: string;
          deposit?: string;
          recovery?: string;
          rpc?: string;
          channel?: string;
          json: boolean;
        },
      ) => {
        const run = async () => {
          readInvitation(invitation);
          const made = await provisionDevice(invitation, flags.into, keyKind(flags.key), {
            rpc: flags.rpc,
            ownerKey: flags.ownerKey,
            ...(flags.deposit !== undefined && { deposit: parseMoney(flags.deposit) }),
            ...(flags.recovery !== undefined && { recovery: addressOf(flags.recovery, '--recovery') }),
            ...(flags.channel !== undefined && {
              channel: wholeNumber(flags.channel, '--channel', UINT32_MAX),
            }),
          });
          process.stdout.write(
            flags.json
              ? `${JSON.stringify(made)}\n`
              : `${made.name} is ready\nnext:\n  npx sundial ${made.role} --state ${shellWord(made.folder)}\n`,
          );
        };
        return run().then(
          () => process.exit(0),
          (error: unknown) => fail(namedForL2(error)),
        );
      },
    );

  // ---- money ----

  type Payment = {
    id: string;
    at: number;
    amount: number;
    state: string;
    terminal: string;
    terminalName?: string;
    merchant?: string;
  };
  const root = (name: string, words: string): Command => sub(program, name, words);
  root('payments', 'finds payments: by amount, day, till, merchant, channel, or any id')
    .option('--amount <amount>', 'exactly this much, for example 4.50')
    .option('--day <day>', 'one day, UTC')
    .option('--from <time>', 'from then on')
    .option('--to <time>', 'before then')
    .option('--till <name>', 'name or address of a terminal')
    .option('--payee <name>', 'name or address of a merchant')
    .option('--channel <number>', 'of one customer')
    .option('--id <digits>', 'the first digits of its id')
    .action(
      act(
        async (
          { hub },
          flags: Common &
            Record<
              'amount' | 'day' | 'from' | 'to' | 'till' | 'payee' | 'channel' | 'id',
              string | undefined
            >,
        ) => {
          const query = new URLSearchParams();
          const set = (name: string, value: string | number | undefined): void => {
            if (value !== undefined) query.set(name, String(value));
          };
          set('amount', flags.amount === undefined ? undefined : parseMoney(flags.amount));
          const day = flags.day === undefined ? undefined : moment(flags.day, '--day');
          set('from', flags.from === undefined ? day : moment(flags.from, '--from'));
          set('to', flags.to === undefined ? day && day + DAY : moment(flags.to, '--to'));
          set('terminal', flags.till);
          set('payee', flags.payee);
          set(
            'channel',
            flags.channel === undefined ? undefined : wholeNumber(flags.channel, '--channel', UINT32_MAX),
          );
          set('id', flags.id);
          const answer = (await askHub(hub, `/v1/payments?${query}`)) as {
            payments: Payment[];
            total: number;
            sum: number;
          };
          for (const {
            id,
            at,
            amount,
            state,
            terminal: where,
            terminalName,
            merchant = '-',
          } of answer.payments)
            say(
              flags,
              `${dateText(at)}  ${formatMoney(amount).padStart(10)}  ${state.padEnd(12)}  ${(terminalName ?? where).padEnd(20)}  ${merchant.padEnd(16)}  ${id}`,
            );
          say(flags, `${answer.total} payments, ${formatMoney(answer.sum)} in all`);
          return answer;
        },
      ),
    );
  root('payment', "one payment's life")
    .argument('<id>', 'its id, or the first digits of it')
    .action(
      act(async ({ hub }, flags: Common, id = '') => {
        const answer = (await askHub(hub, `/v1/payments/${encodeURIComponent(id)}`)) as {
          sentence: string;
          steps: { step: string; words: string }[];
        };
        say(flags, answer.sentence);
        for (const { step, words } of answer.steps) say(flags, `  ${step.padEnd(13)} ${words}`);
        return answer;
      }),
    );
  root('statement', "a merchant's statement of a period")
    .requiredOption('--payee <name>', 'name or address')
    .option('--from <time>', 'from this day on; the beginning when absent')
    .option('--to <time>', 'before this day; now when absent')
    .option('--csv <file>', 'writes it there as CSV')
    .option('--html <file>', 'as a page to print')
    .option('--pdf <file>', 'as a page to file')
    .option('--camt053 <file>', "as a bank's statement for accounting programs (ISO 20022)")
    .option('--camt054 <file>', "as a bank's notification of every payment")
    .action(
      act(
        async (
          { config, hub },
          flags: Common & { payee: string; from?: string; to?: string } & Partial<Record<Form, string>>,
        ) => {
          const query = new URLSearchParams({ payee: flags.payee });
          if (flags.from !== undefined) query.set('from', String(moment(flags.from, '--from')));
          if (flags.to !== undefined) query.set('to', String(moment(flags.to, '--to')));
          const statement = (await askHub(hub, `/v1/statements?${query}`)) as Record<string, number> & {
            payee: string;
          };
          for (const form of FORMS) {
            const file = flags[form];
            if (file === undefined) continue;
            writeNew(
              file,
              (await askHub(hub, `/v1/statements?${query}&format=${form}`)) as string | Uint8Array,
            );
          }
          // The ledger's word beside L2's.
          const vault = await Vault.connect(config.chain.rpcUrl[0]!, config.chain.vault);
          const onL2 = await vault.readPayeeBalance(fromHex(statement.payee, 20));
          for (const name of ['opening', 'sales', 'refunds', 'fees', 'closing', 'settled', 'inFlight'])
            say(flags, `${name.padEnd(10)} ${formatMoney(statement[name]!).padStart(14)}`);
          say(flags, `${'on L2'.padEnd(10)} ${formatMoney(onL2).padStart(14)}  to withdraw`);
          return { ...statement, onL2 };
        },
      ),
    );
  root('settle', 'settles now what can be settled, and waits until it is final').action(
    act(async ({ hub }, flags: Common) => {
      const { settlement } = (await askHub(hub, '/v1/settlements', 'POST')) as {
        settlement: { finished: { batch: number; rows: number; transaction: string }[] };
      };
      for (const { rows, transaction } of settlement.finished) say(flags, `${rows} lanes in ${transaction}`);
      return settlement;
    }),
  );
  root('console', 'a link that signs a browser in to the console, once').action(
    act(async ({ hub }, flags: Common) => {
      const { path } = (await askHub(hub, '/v1/links', 'POST')) as { path: string };
      const link = new URL(path, hub.url).href;
      say(flags, link);
      return { link };
    }),
  );
  const token = program
    .command('token')
    .description('tokens for tools, staff, merchants and owners: add, list, remove');
  sub(token, 'add', 'makes a token; it is shown once')
    .argument('<name>', 'whose it is')
    .requiredOption('--role <role>', 'operator, support, auditor, merchant or owner')
    .option('--payee <name>', 'with merchant')
    .option('--channel <number>', 'with owner')
    .option('--days <n>', 'how long it is good', '90')
    .action(
      act(
        async (
          { hub },
          flags: Common & { role: string; payee?: string; channel?: string; days: string },
          name = '',
        ) => {
          const answer = (await askHub(hub, '/v1/tokens', 'POST', {
            name,
            role: flags.role,
            days: wholeNumber(flags.days, '--days', 400),
            ...(flags.payee !== undefined && { payee: flags.payee }),
            ...(flags.channel !== undefined && {
              channel: wholeNumber(flags.channel, '--channel', UINT32_MAX),
            }),
          })) as { token: string };
          say(flags, answer.token);
          return answer;
        },
      ),
    );
  sub(token, 'list', 'tokens, without their secrets').action(
    act(async ({ hub }, flags: Common) => {
      const answer = (await askHub(hub, '/v1/tokens')) as {
        tokens: { name: string; role: string; expiresAt: number }[];
      };
      for (const { name, role, expiresAt } of answer.tokens)
        say(flags, `${name.padEnd(20)}  ${role.padEnd(9)}  until ${dateText(expiresAt)}`);
      return answer;
    }),
  );
  sub(token, 'remove', 'removes a token and ends its sign-ins')
    .argument('<name>', 'whose it is')
    .action(
      act(({ hub }, _flags: Common, name = '') =>
        askHub(hub, `/v1/tokens/${encodeURIComponent(name)}`, 'DELETE'),
      ),
    );
  addWebhookCommands(program);
}

/** Who else is told what happens at this hub. */
function addWebhookCommands(program: Command): void {
  const webhook = program
    .command('webhook')
    .description('who is told of payments, devices and alerts: add, list, test, rotate, enable, remove');
  const place = (name: string, end = ''): string => `/v1/webhooks/${encodeURIComponent(name)}${end}`;
  sub(webhook, 'add', 'tells a URL of what comes from now on; its secret is shown once')
    .argument('<name>', 'as people call it')
    .requiredOption('--url <url>', 'https, on the internet; others as hub.json says')
    .option('--events <types...>', 'all when absent')
    .option('--payee <name>', "only this merchant's")
    .action(
      act(async ({ hub }, flags: Common & { url: string; events?: string[]; payee?: string }, name = '') => {
        const { url, events, payee } = flags;
        const answer = (await askHub(hub, '/v1/webhooks', 'POST', {
          name,
          url,
          ...(events !== undefined && { events }),
          ...(payee !== undefined && { payee }),
        })) as { secret: string };
        say(flags, `${answer.secret}\nnext:\n  npx sundial webhook test ${shellWord(name)}`);
        return answer;
      }),
    );
  sub(webhook, 'list', 'webhooks: how far behind, and what is wrong').action(
    act(async ({ hub }, flags: Common) => {
      const answer = (await askHub(hub, '/v1/webhooks')) as { webhooks: WebhookRow[] };
      for (const { name, url, behind, failing, disabled } of answer.webhooks)
        say(
          flags,
          `${name.padEnd(20)}  ${url}  ${behind} behind  ${
            disabled !== undefined
              ? `disabled: ${disabled.why}`
              : failing !== undefined
                ? `failing: ${failing.trouble}`
                : 'well'
          }`,
        );
      return answer;
    }),
  );
  sub(webhook, 'test', 'sends a test event now')
    .argument('<name>', 'which')
    .action(
      act(async ({ hub }, flags: Common, name = '') => {
        const answer = (await askHub(hub, place(name, '/test'), 'POST')) as { ok: boolean; trouble?: string };
        if (!answer.ok)
          throw wrong('webhook_test', answer.trouble!, 'Look at the receiver, or correct the URL.');
        say(flags, 'the receiver took it');
        return answer;
      }),
    );
  sub(webhook, 'rotate', 'a new secret, shown once; the one before signs beside it for a day')
    .argument('<name>', 'which')
    .action(
      act(async ({ hub }, flags: Common, name = '') => {
        const answer = (await askHub(hub, place(name, '/rotate'), 'POST')) as { secret: string };
        say(flags, answer.secret);
        return answer;
      }),
    );
  sub(webhook, 'enable', 'takes up one that was disabled, where it was')
    .argument('<name>', 'which')
    .option('--from-now', 'leaves out what it missed', false)
    .action(
      act(({ hub }, flags: Common & { fromNow: boolean }, name = '') =>
        askHub(hub, place(name, '/enable'), 'POST', { from: flags.fromNow ? 'now' : 'there' }),
      ),
    );
  sub(webhook, 'remove', 'tells it nothing any more')
    .argument('<name>', 'which')
    .action(act(({ hub }, _flags: Common, name = '') => askHub(hub, place(name), 'DELETE')));
}

interface WebhookRow {
  readonly name: string;
  readonly url: string;
  readonly behind: number;
  readonly failing?: { readonly trouble: string };
  readonly disabled?: { readonly why: string };
}

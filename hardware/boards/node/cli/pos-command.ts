/**
 * `sundial pos`: a till as a process. Sales come from a command line, as JSON lines on stdin, or over HTTP with a page;
 * all of them stand in the till's books (till/till.ts).
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { TerminalDevice } from '../../../../device/devices.ts';
import { Pos } from '../../../../device/roles/pos.ts';
import { fromHex } from '../../../../protocol/bytes.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import type { Signing } from '../../../../protocol/signing/digests.ts';
import type { TerminalRecord } from '../../../../protocol/machines/terminal/books.ts';
import { type LinkScheme, parseLink } from '../links/address.ts';
import { tillRoutes } from '../till/api.ts';
import { TillFile, tillLog } from '../till/file.ts';
import { tillPage } from '../till/page.ts';
import { saleAsk, type TillEvent } from '../till/schema.ts';
import { listen, makeTillServer, tillToken } from '../till/server.ts';
import { priceText, quotesIn } from '../till/quotes.ts';
import { Till, type TillParts } from '../till/till.ts';
import type { DeviceProcess } from './device-process.ts';
import { addDeviceOptions, type CommonFlags, deviceOptions } from './flags.ts';
import { formatMoney, parsePrice } from './money.ts';
import { fail, shellWord } from './output.ts';
import { makeTerminal } from './terminal-commands.ts';

interface PosFlags extends CommonFlags {
  readonly amount?: string;
  readonly http?: string;
  readonly receiptHead?: string;
  readonly quotes?: string;
  readonly quoteSigner?: string;
}

/** How long a single sale waits for the hub's acknowledgement before its process ends. */
const DRAIN_MS = 10_000;

/** How long a single sale stays so that its receipt gets across: a socket takes it at once, a code has to be read. */
const LINGER_MS: Readonly<Record<LinkScheme, number>> = {
  unix: 0,
  serial: 0,
  ble: 3_000,
  pcsc: 3_000,
  vpcd: 0,
  qr: 30_000,
};

/** How often the till looks whether its request still stands, milliseconds. */
const TICK_MS = 1000;
/** How long `sync` waits for the hub, milliseconds. */
const SYNC_MS = 20_000;
/** Lines above a receipt, and characters of each. */
const HEAD_LINES_MAX = 8;

/** An event for people. */
function describe(event: TillEvent): string {
  switch (event.type) {
    case 'sale.opened':
      return `sale ${event.sale}: ${formatMoney(event.total)}${event.price === undefined ? '' : ` (${priceText(event.price.quote, event.price.amount + event.price.tip)})`}`;
    case 'sale.reduced':
      return `sale ${event.sale}: ${formatMoney(event.total)} instead`;
    case 'sale.approved':
      return `sale ${event.sale} is paid`;
    case 'sale.acknowledged':
      return `sale ${event.sale} is in the hub's ledger`;
    case 'sale.failed':
      return `sale ${event.sale} is over: ${event.code ?? event.reason}`;
    case 'sale.refused':
      return `sale ${event.sale}: ${event.code}`;
    case 'credit.opened':
      return `${event.kind} ${event.credit}: ${formatMoney(event.amount)} go back`;
    case 'credit.done':
      return `${event.credit} is signed: ${formatMoney(event.amount)} went back`;
    case 'credit.failed':
      return `${event.credit} was not signed: ${event.code}`;
    case 'training':
      return event.on ? 'training: no money moves from now on' : 'training is over';
    case 'day.closed':
      return `day ${event.report.day} is closed: ${formatMoney(event.report.sales.sum)} in ${event.report.sales.count} sales`;
  }
}

/** First lines of receipts, from a file. Throws `bad_head`. */
function headOf(path: string | undefined): string[] {
  if (path === undefined) return [];
  const bad = (why: string): SundialError =>
    new SundialError('bad_head', `${path}: ${why}`, {
      severity: 'call',
      remedy: `Give a text file of at most ${HEAD_LINES_MAX} lines of 42 printable ASCII characters.`,
    });
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw bad((cause as Error).message);
  }
  const lines = text.replace(/\n+$/, '').split('\n');
  if (lines.length > HEAD_LINES_MAX || lines.some((line) => !/^[ -~]{0,42}$/.test(line)))
    throw bad('too long, or characters that printers differ in');
  return lines;
}

/** Reads --quotes and --quote-signer: once now, so that a wrong file is told at the start. Throws `bad_quote`, `missing_flag`. */
function quotesOf({ quotes, quoteSigner }: PosFlags, signing: Signing): Pick<TillParts, 'quotes'> {
  if (quotes === undefined && quoteSigner === undefined) return {};
  if (quotes === undefined || quoteSigner === undefined || !/^0x[0-9a-fA-F]{40}$/.test(quoteSigner))
    throw new SundialError('missing_flag', '--quotes and --quote-signer belong together', {
      severity: 'call',
      remedy: 'Give the file of quotes, and the 0x address of who signs them.',
    });
  const read = quotesIn(quotes, signing, fromHex(quoteSigner.toLowerCase() as `0x${string}`, 20));
  read();
  return { quotes: read };
}

/** Reads --http: a port, or host:port. Throws `bad_http`. */
function httpAddress(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:(.+):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535)
    throw new SundialError('bad_http', `"${text}" is no place to listen at`, {
      severity: 'call',
      remedy: 'Give a port (0 for any), or an address and a port: 127.0.0.1:9480',
    });
  return { host: match[1] ?? '127.0.0.1', port };
}

/** The business of the till in this process. Throws `till_book_damaged`. */
function openTill(
  { process, device, settings }: Awaited<ReturnType<typeof makeTerminal>>,
  head: readonly string[],
  flags: PosFlags,
): Till {
  const { folder, host, output } = process;
  const now = (): number => Math.floor(Date.now() / 1000);
  const till = new Till({
    name: folder.file.name,
    device,
    pos: new Pos(device, host.entropy),
    settings,
    address: folder.address,
    file: new TillFile(tillLog(folder.path), now()),
    entropy: host.entropy,
    clock: host.clock,
    chainId: folder.file.chainId,
    vault: folder.file.vault,
    head,
    signing: folder.signing,
    ...quotesOf(flags, folder.signing),
    now,
    before: ({ type }) => process.before(`till:${type}`),
    broken: fail,
  });
  process.onStored((record: TerminalRecord) => till.onStored(record));
  process.onNotice((notice) => till.onNotice(notice));
  till.listen((event) => output.say(describe(event), { event: event.type, ...event }));
  const timer = setInterval(() => till.tick(), TICK_MS);
  process.onExit(() => clearInterval(timer));
  return till;
}

/** Meets the hub now, and waits until all is handed in, but not for long. */
async function syncNow(process: DeviceProcess, device: TerminalDevice): Promise<void> {
  process.reconnect();
  const deadline = Date.now() + SYNC_MS;
  while (Date.now() < deadline) {
    if (device.state.volatile.hubConnected && device.storedBooks.outbox.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Puts the API and the page on HTTP, and says where. */
async function serve(
  flags: PosFlags,
  till: Till,
  { process, device }: Awaited<ReturnType<typeof makeTerminal>>,
): Promise<void> {
  const { host, port } = httpAddress(flags.http!);
  const token = tillToken(process.folder.path);
  const routes = tillRoutes({ till, sync: () => syncNow(process, device), codes: () => process.codes });
  const server = makeTillServer({ till, token, routes, ...tillPage() });
  process.onExit(() => void server.close());
  const url = await listen(server, host, port);
  process.output.say(`the till's page: ${url}/#${token}`, {
    event: 'api',
    url,
    tokenFile: join(process.folder.path, 'till.token'),
  });
}

/** A sale as it comes on stdin: a price, or an object with what the API takes, and a key. Throws `bad_field`, `bad_amount`. */
async function sellByHand(till: Till, value: unknown): Promise<void> {
  const { key = randomUUID(), ...ask } =
    typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : { amount: parsePrice(String(value)) };
  const parsed = saleAsk.safeParse(ask);
  if (!parsed.success)
    throw new SundialError('bad_field', parsed.error.issues[0]!.message, {
      severity: 'call',
      remedy: 'Give {"sale":"4.50"}, or {"sale":{"amount":4500000,"reference":"17","key":"order-17"}}.',
    });
  // Whoever types the next one has given up on this one.
  const { open } = till.books;
  if (open !== undefined && open.key !== key) await till.cancel(open.id);
  await till.sell(parsed.data, { requestId: randomUUID(), key: String(key) });
}

async function runPos(flags: PosFlags): Promise<void> {
  const wanted = flags.amount === undefined ? undefined : parsePrice(flags.amount);
  const head = headOf(flags.receiptHead);
  let heard: ((event: { readonly type: string }) => void) | undefined;
  const terminal = await makeTerminal('pos', flags, (event) => heard?.(event));
  const { process, device, status } = terminal;
  const till = openTill(terminal, head, flags);
  heard = (event) => till.onEvent(event);
  if (flags.http !== undefined) httpAddress(flags.http);
  // Lines come faster than a sale is asked for: one after the other, or the next one cancels what is half begun.
  let before: Promise<unknown> = Promise.resolve();
  const inTurn = (act: () => Promise<void>): Promise<void> => {
    const mine = before.then(act);
    before = mine.catch(() => undefined);
    return mine;
  };
  await process.run(
    device,
    'terminal',
    {
      sale: (value) => inTurn(() => sellByHand(till, value)),
      cancel: () => inTurn(async () => void (till.books.open && (await till.cancel(till.books.open.id)))),
      sync: () => syncNow(process, device),
      closeDay: () => void till.close(randomUUID()),
    },
    () => {
      const { day, online, offlineLeft } = till.status();
      return { ...status(), day, online, offlineLeft };
    },
  );
  await till.resume();
  if (flags.http !== undefined) await serve(flags, till, terminal);
  if (wanted === undefined) return;
  const linger = LINGER_MS[parseLink(deviceOptions({ ...flags, role: 'pos' }).tap).scheme];
  process.onNotice((notice) => {
    const { outbox } = device.state.books;
    // The receipt is on its way when the sale is approved; the link closes behind it.
    if (notice.type === 'approved' && process.hubUrl === undefined) setTimeout(() => process.exit(0), linger);
    // With a network it stays until the hub has everything, but not for long: the outbox survives.
    if (notice.type === 'approved') setTimeout(() => process.exit(0), DRAIN_MS).unref();
    if (notice.type === 'acknowledged' && outbox.length === 0) setImmediate(() => process.exit(0));
    if (notice.type === 'refused' && notice.by === 'us' && notice.code === 'no_time_basis') process.exit(1);
  });
  await sellByHand(till, flags.amount);
  if (!flags.json)
    process.output.say(
      `hold a wearable to it: npx sundial wearable${flags.tap === undefined ? '' : ` --tap ${shellWord(flags.tap)}`} (${formatMoney(wanted)})`,
      {},
    );
}

/** Adds `pos`. */
export function addPosCommand(program: Command): void {
  addDeviceOptions(program.command('pos').description('a till that takes offline payments'))
    .option('--amount <amount>', 'ask for one payment, for example 4.50, and end when it is approved')
    .option(
      '--http <place>',
      'a port (0 for any) or host:port for its page and API; /openapi.json describes it, till.token in its folder opens it',
    )
    .option(
      '--quotes <file>',
      'take prices in other currencies by these signed quotes; a newer file counts at once',
    )
    .option('--quote-signer <address>', 'whose quotes: see `sundial quote`')
    .option('--receipt-head <file>', 'text that stands above every receipt: who sells, where, tax number')
    .action((flags: PosFlags) => runPos(flags).catch(fail));
}

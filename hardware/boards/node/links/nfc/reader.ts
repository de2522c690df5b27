/** A terminal's card reader, over PC/SC: whoever holds a card to it gets a link, as long as it lies there. */
import type { Client, Reader } from 'pcsc-mini';
import { type CardEnd, readCard } from '../../../../../device/links/apdu.ts';
import { SundialError } from '../../../../../protocol/errors.ts';
import type { Link } from '../../../../interfaces/index.ts';
import { nodeClock } from '../../host.ts';

export interface CardReaderOptions {
  /** Which reader, in the order of their names: the first is 0. */
  readonly reader: number;
  onLink(link: Link): void;
  onEnd?(why: CardEnd): void;
  /** For people: that the reader is there or not. */
  say(text: string): void;
}

/** A card that refused or was let go is asked again after this long, while it lies there. */
const AGAIN_MS = 250;
/** pcscd may be started later, and readers plugged in later. */
const LOOK_MS = 1_000;

const REMEDY = 'Install pcscd (apt-get install pcscd libpcsclite1), start it, and plug a reader in.';

function noPcsc(cause: unknown): SundialError {
  const words = cause instanceof Error ? cause.message : String(cause);
  // PC/SC's own word for it, in brackets and among others.
  const why = words.includes('NoService') ? 'its service, pcscd, does not run' : words;
  return new SundialError('no_pcsc', `no card reader can be used: ${why}`, {
    severity: 'process',
    remedy: REMEDY,
    cause,
  });
}

/** Waits for cards until the returned function is called. Rejects with `no_pcsc` when PC/SC is missing. */
export async function cardReader(options: CardReaderOptions): Promise<() => void> {
  let pcsc: typeof import('pcsc-mini');
  try {
    // Its native part needs libpcsclite, which a till without a reader need not have.
    pcsc = (await import('pcsc-mini')).default;
  } catch (error) {
    throw noPcsc(error);
  }
  const readers = new Map<string, Reader>();
  let stopped = false;
  /** That there is none was said; it is looked for all the same. */
  let told = false;
  let client: Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let lying: { readonly name: string; there: boolean; busy: boolean } | undefined;

  const chosen = (): string | undefined => [...readers.keys()].sort()[options.reader];

  const serve = async (name: string): Promise<void> => {
    const reader = readers.get(name);
    const now = lying;
    if (reader === undefined || now === undefined || now.busy) return;
    now.busy = true;
    while (now.there && !stopped && lying === now) {
      const why = await session(pcsc, reader, options);
      options.onEnd?.(why);
      if (now.there) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    now.busy = false;
  };
  const onReader = (reader: Reader): void => {
    const name = reader.name();
    readers.set(name, reader);
    told = false;
    reader.on('change', (status) => {
      if (name !== chosen()) return;
      if (lying?.name !== name) lying = { name, there: false, busy: false };
      lying.there = status.has(pcsc.ReaderStatus.PRESENT) && !status.has(pcsc.ReaderStatus.MUTE);
      if (lying.there) void serve(name);
    });
    reader.on('disconnect', () => {
      readers.delete(name);
      if (lying?.name !== name) return;
      lying.there = false;
      lying = undefined;
      options.say(`reader_gone: ${name} was unplugged`);
    });
    if (name === chosen()) options.say(`reader ${options.reader} is ${name}`);
  };
  const start = (): void => {
    try {
      client = new pcsc.Client();
      client.on('reader', onReader);
      client.on('error', () => again());
      client.start();
    } catch (error) {
      if (!told) options.say(`${noPcsc(error).message}. ${REMEDY} It is looked for once a second.`);
      told = true;
      again();
    }
  };
  const again = (): void => {
    stopClient();
    readers.clear();
    if (lying !== undefined) lying.there = false;
    lying = undefined;
    if (!stopped) timer = setTimeout(start, LOOK_MS);
  };
  const stopClient = (): void => {
    const before = client;
    client = undefined;
    before?.removeAllListeners();
    before?.on('error', () => undefined);
    try {
      if (before?.running() === true) before.stop();
    } catch {
      // pcscd went before us.
    }
  };
  start();
  return () => {
    stopped = true;
    clearTimeout(timer);
    if (lying !== undefined) lying.there = false;
    stopClient();
  };
}

/** One session with whatever card lies there. */
async function session(
  pcsc: typeof import('pcsc-mini'),
  reader: Reader,
  { onLink }: CardReaderOptions,
): Promise<CardEnd> {
  try {
    const card = await reader.connect(pcsc.CardMode.SHARED);
    const why = await readCard({
      // Every reader takes short commands, and a frame of a tap fits one.
      extended: false,
      clock: nodeClock,
      transmit: async (apdu) => new Uint8Array(await card.transmit(apdu)),
      onLink,
    });
    const after = why === 'removed' ? pcsc.CardDisposition.LEAVE : pcsc.CardDisposition.RESET;
    await card.disconnect(after).catch(() => undefined);
    return why;
  } catch {
    return 'removed';
  }
}

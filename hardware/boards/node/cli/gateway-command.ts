/** `sundial gateway`: carries what devices in reach of a radio or at serial ports hand in to the hub's broker. */
import type { Command } from 'commander';
import { SundialError } from '../../../../protocol/errors.ts';
import { type LinkAddress, parseLink } from '../links/address.ts';
import { bleGateway, brokerUplinks, type OpenUplink, serveLink } from '../links/gateway.ts';
import { serialLinks } from '../serial-link.ts';
import { fail, makeOutput } from './output.ts';

interface Flags {
  readonly ble: boolean;
  readonly link: readonly string[];
  readonly hub: string;
  readonly name: string;
  readonly json: boolean;
}

/** Serves one address. Rejects with `wrong_link` and `no_bluetooth`. */
async function serve(
  address: LinkAddress,
  open: OpenUplink,
  say: (text: string) => void,
): Promise<() => void> {
  if (address.scheme === 'ble') return bleGateway({ ...address, open });
  if (address.scheme === 'serial') return serialLinks(address.path, (link) => serveLink(link, open), say);
  throw new SundialError('wrong_link', `no device hands anything in over ${address.scheme}:`, {
    severity: 'call',
    remedy: 'Give ble: or serial:/dev/ttyACM0; --link may be given several times.',
  });
}

async function run(flags: Flags): Promise<void> {
  const output = makeOutput('gateway', flags.json);
  const addresses = [...(flags.ble ? ['ble:'] : []), ...flags.link].map(parseLink);
  if (addresses.length === 0)
    throw new SundialError('wrong_link', 'a gateway without a link serves nobody', {
      severity: 'call',
      remedy: 'Give --ble, or --link serial:/dev/ttyACM0 for each reader.',
    });
  const open = brokerUplinks({
    url: flags.hub,
    hub: flags.name,
    onDevice: (device: string) => output.say(`serving ${device}`, { event: 'device', device }),
  });
  const closers = await Promise.all(
    addresses.map((address) =>
      serve(address, open, (text) => output.say(text, { event: 'link', state: text })),
    ),
  );
  output.say(`ready on ${addresses.length} links`, { event: 'ready', links: addresses.length });
  const stop = (): void => {
    for (const close of closers) close();
    // What was just said goes out first.
    setImmediate(() => process.exit(0));
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

/** Adds `sundial gateway`. */
export function addGatewayCommand(program: Command): void {
  program
    .command('gateway')
    .description(
      "carries whole messages between devices and the hub's broker: over Bluetooth to whoever wants to sync, and over " +
        'serial lines. It keeps nothing and confirms nothing.',
    )
    .requiredOption('--hub <url>', "mqtt:// address of the hub's broker")
    .option('--name <hub>', "the hub's name in its topics", 'demo')
    .option('--ble', 'serve devices in reach of the first Bluetooth adapter', false)
    .option(
      '--link <address>',
      'ble:hci1 or serial:/dev/ttyACM0; may be given several times',
      (value: string, before: readonly string[]) => [...before, value],
      [] as readonly string[],
    )
    .option('--json', 'one JSON object a line on stdout', false)
    .action((flags: Flags) => run(flags).catch(fail));
}

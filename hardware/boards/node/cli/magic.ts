/**
 * Magic wearables at a till that runs: `sundial wearable --magic NAME` does one thing wrong, so that whoever builds a till
 * sees what it says. What wants a hub or other days is the lab's (POST /v1/magic).
 */
import type { Clock, Link } from '../../../interfaces/index.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import { nodeClock } from '../host.ts';

/** What is wrong with a wearable. */
export interface Magic {
  readonly name: string;
  readonly about: string;
  readonly clock?: Clock;
  /** Units of TIME, as --tap-max takes them. */
  readonly tapMax?: string;
  /** Stops dead before this effect, once, and is started again. */
  readonly haltAt?: string;
  /** What becomes of a link before the device has it; undefined: the device does not get it. */
  link?(link: Link): Link | undefined;
  /** It has paid. */
  paid?(): void;
}

const SLOW_MS = 4_000;
const SKEWED_S = 4 * 86_400;

/** Every message takes longer, in order. */
function slow(link: Link): Link {
  return {
    ...link,
    send: (bytes) => void setTimeout(() => link.send(bytes), SLOW_MS),
  };
}

/** Pays once, and goes; at every later link it says again what it said at the first. */
function replaying(): Pick<Required<Magic>, 'link' | 'paid'> {
  let said: Uint8Array[] | undefined;
  let first: Link | undefined;
  const take = (link: Link): Link | undefined => {
    if (said !== undefined) {
      link.receive(
        () => undefined,
        () => undefined,
      );
      for (const bytes of said) link.send(bytes);
      return undefined;
    }
    const own: Uint8Array[] = [];
    first = link;
    return {
      ...link,
      send: (bytes) => {
        own.push(bytes.slice());
        link.send(bytes);
      },
      receive: (onBytes, onClosed) =>
        link.receive(onBytes, () => {
          said = own;
          onClosed();
        }),
    };
  };
  return { link: take, paid: () => first?.close() };
}

const wearables = (): readonly Magic[] => [
  { name: 'good', about: 'an ordinary wearable' },
  { name: 'declines', about: 'its owner lets it pay a cent a tap', tapMax: '0.01' },
  {
    name: 'replayed-voucher',
    about: 'pays once, and plays that back at every later sale',
    ...replaying(),
  },
  { name: 'power-loss', about: 'loses its power before it signs, and comes back', haltAt: 'sign' },
  {
    name: 'skewed-clock',
    about: 'its clock is four days ahead',
    clock: { ...nodeClock, realTimeSeconds: () => nodeClock.realTimeSeconds()! + SKEWED_S },
  },
  { name: 'slow-link', about: 'every message takes four seconds longer', link: slow },
];

/** Those of the lab: they want a hub, and days to pass, or more than their lease allows. */
const OF_THE_LAB: Readonly<Record<string, string>> = {
  'over-limit': '66.00',
  'expired-lease': '1.22',
  'hub-refusal': '1.55',
  duplicated: '1.77',
};

/** Names, and what each does, for --help. */
export const magicForms = (): string =>
  wearables()
    .map(({ name, about }) => `${name}: ${about}`)
    .join('; ');

/** The wearable that --magic names. Throws `no_magic`, which lists them. */
export function magicOf(name: string): Magic {
  const found = wearables().find((one) => one.name === name);
  if (found !== undefined) return found;
  const price = Object.hasOwn(OF_THE_LAB, name) ? OF_THE_LAB[name] : undefined;
  throw new SundialError(
    'no_magic',
    price === undefined ? `there is no wearable "${name}"` : `"${name}" wants a hub of its own`,
    {
      severity: 'call',
      remedy:
        price === undefined
          ? `Give one of ${wearables()
              .map((one) => one.name)
              .join(', ')}.`
          : `Play it at a till of \`sundial lab\`: POST /v1/magic with the price ${price}.`,
    },
  );
}

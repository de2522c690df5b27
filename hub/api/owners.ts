/**
 * What the owner's page asks: who owns what, by the account on L2 that signed in with its wallet; what a channel has, may
 * spend and has spent today; and the limits that the owner signs.
 */
import { getAddress, hashMessage, hashTypedData, type Hex } from 'viem';
import { z } from 'zod';
import { SundialError } from '../../protocol/errors.ts';
import { channelId, UINT32_MAX, UINT40_MAX, UINT48_MAX } from '../../protocol/integers.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import { Text } from '../../hardware/boards/node/http/routes.ts';
import type { Challenges } from '../desk/challenges.ts';
import { addressText, type Desk } from '../desk/desk.ts';
import { type Caller, ROLES, type Tokens } from '../desk/tokens.ts';
import { channelBook, highest } from '../intake/books.ts';
import { tapLimitOf } from '../intake/leases.ts';
import { limitsOf, spentToday } from '../intake/owner-limits.ts';
import { numberKey, trieGet } from '../intake/trie.ts';
import type { Parts } from './parts.ts';
import { paymentLife } from './payments.ts';
import { receiptHtml } from './receipt-form.ts';
import { type Route, route, SignedIn } from './server.ts';

/** What these routes work on. */
export interface OwnerParts {
  readonly parts: Parts;
  readonly desk: Desk;
  readonly tokens: Tokens;
  readonly challenges: Challenges;
  /** Did the account on L2 sign this hash? */
  accountSigned(account: Hex, hash: Hex, signature: Hex): Promise<boolean>;
}

const refused = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'call', remedy });

const hexBytes = (most: number) =>
  z.string().regex(new RegExp(`^0x([0-9a-fA-F]{2}){1,${most}}$`), `want 0x and at most ${most} bytes in hex`);
/** A smart account's signature holds those of its keys. */
const signatureText = hexBytes(4096);

/** Channels of an owner, as L2 shows them at finality, rising; of a token the one that it was made for. */
export function ownChannels({ registry }: Pick<Parts, 'registry'>, caller: Caller): number[] {
  if (caller.account === undefined) return caller.channel === undefined ? [] : [caller.channel];
  return Object.entries(registry.state.heads)
    .filter(([, { owner }]) => owner === caller.account)
    .map(([channel]) => Number(channel))
    .sort((a, b) => a - b);
}

/** The channel that an owner names, or has only one of. Throws `channel_unknown`, `which_channel`. */
export function ownChannel(
  parts: Pick<Parts, 'registry'>,
  caller: Caller,
  named: number | undefined,
): number {
  const own = ownChannels(parts, caller);
  const channel = named ?? own[0];
  // Somebody else's is told like one that is not there.
  if (channel === undefined || !own.includes(channel))
    throw refused('channel_unknown', `no channel ${named ?? ''} of yours`, 'Give your own.');
  if (named === undefined && own.length > 1)
    throw refused('which_channel', `you have ${own.length} channels`, `Say which one: ${own.join(', ')}.`);
  return channel;
}

/** What an owner signs to limit a channel, EIP-712; UINT48_MAX: no limit. `at`: seconds, later than any before. */
export const limitsHash = (
  { chainId, vault }: { readonly chainId: number; readonly vault: Hex },
  message: { readonly channel: number; readonly tap: number; readonly day: number; readonly at: number },
): Hex =>
  hashTypedData({
    domain: { name: 'Sundial', version: '1', chainId, verifyingContract: vault },
    primaryType: 'Limits',
    types: {
      Limits: [
        { name: 'channel', type: 'uint32' },
        { name: 'tap', type: 'uint48' },
        { name: 'day', type: 'uint48' },
        { name: 'at', type: 'uint40' },
      ],
    },
    message,
  });

/** Seconds by which a browser's clock may be off when limits are signed; an older signature is none any more. */
const CLOCK_SECONDS = 3600;

/** A limit as people read it: absent where there is none. */
const shown = (limit: number): number | undefined => (limit === UINT48_MAX ? undefined : limit);

function accountView({ parts, desk }: OwnerParts, channel: number) {
  const { intake, registry, online } = parts;
  const { state, durableBooks: books } = intake;
  const id = channelId(channel);
  const head = registry.state.heads[String(channel)];
  const facts = trieGet(state.channels, numberKey(id));
  const book = channelBook(books, id);
  const { spent } = highest(book);
  const limits = limitsOf(state, id);
  const now = state.block?.at ?? 0;
  const today = spentToday(books, id, now);
  return {
    channel,
    owner: head?.owner,
    payer: head?.payer,
    deviceName: desk.devices.find(({ address }) => address === head?.payer)?.name,
    online: head !== undefined && online.has(head.payer),
    registered: head !== undefined && registry.state.devices[head.payer] !== undefined,
    deposit: head?.deposit ?? 0,
    bond: head?.bond ?? 0,
    spent,
    left: Math.max(0, (facts?.spendable ?? 0) - spent),
    spentToday: Number.isFinite(today) ? today : spent,
    /** The most that one tap takes with no network, whatever the owner says. */
    tapMax: facts === undefined ? 0 : tapLimitOf(facts, book.lease?.scope ?? SCOPE_ANY),
    limits: {
      tap: shown(limits.tap),
      day: shown(limits.day),
      at: registry.state.limits[String(channel)]?.at,
    },
    leaseUntil: book.lease?.expiresAt,
    exiting: head?.exiting ?? false,
    revoked: books.revoked.includes(id),
    proved: book.proof !== undefined,
  };
}

const anything = z.record(z.string(), z.unknown());

/** The routes of owners. */
export function ownerRoutes(api: OwnerParts): Route[] {
  const { parts, desk, tokens, challenges } = api;
  const { config } = parts;
  return [
    route({
      method: 'GET',
      path: '/v1/place',
      summary: 'Which hub this is, and the chain and vault that it settles on: what a wallet has to know',
      may: 'anyone',
      answer: z.object({
        hub: z.string(),
        chainId: z.number(),
        vault: z.string(),
        exitDelay: z.number(),
        clockError: z.number(),
      }),
      act: () => ({
        hub: config.name,
        chainId: config.chain.chainId,
        vault: config.chain.vault,
        exitDelay: config.timing.exitDelay,
        clockError: config.timing.clockError,
      }),
    }),
    route({
      method: 'POST',
      path: '/v1/signin/challenge',
      summary: "The text that an owner's wallet signs to sign in (ERC-4361), good once, for five minutes",
      may: 'anyone',
      perMinute: 30,
      body: z.strictObject({ account: addressText }),
      answer: z.object({ nonce: z.string(), text: z.string() }),
      act: ({ body, host }) => challenges.make(getAddress(body.account), host ?? ''),
    }),
    route({
      method: 'POST',
      path: '/v1/signin',
      summary: 'Signs a browser in as the owner of what the account that signed the text owns',
      may: 'anyone',
      perMinute: 30,
      body: z.strictObject({ nonce: z.string().max(64), signature: signatureText }),
      answer: z.object({ account: z.string(), role: z.enum(ROLES) }),
      act: async ({ body }) => {
        const { account, text } = challenges.take(body.nonce);
        if (!(await api.accountSigned(account as Hex, hashMessage(text), body.signature as Hex)))
          throw refused(
            'bad_signature',
            `${account} did not sign this`,
            'Sign with the account that you named.',
          );
        const owner = account.toLowerCase();
        const caller = { name: owner, role: 'owner', account: owner, expiresAt: Infinity } as const;
        // Who owns nothing sees nothing; so that nobody is pushed out by strangers.
        if (ownChannels(parts, caller).length === 0)
          throw refused(
            'no_channel',
            `the hub knows no channel of ${account}`,
            'Open one with this page; when it is final on L2, the hub knows it.',
          );
        return new SignedIn(tokens.signInOwner(owner), owner, { account: owner, role: 'owner' });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/account',
      summary: "An owner's channels: what each has, may spend, and has spent today",
      may: ['owner'],
      personal: true,
      answer: z.object({ account: z.string().optional(), at: z.number(), channels: z.array(anything) }),
      act: ({ caller }) => ({
        account: caller!.account,
        at: parts.intake.state.block?.at ?? 0,
        channels: ownChannels(parts, caller!).map((channel) => accountView(api, channel)),
      }),
    }),
    route({
      method: 'POST',
      path: '/v1/channels/{channel}/limits',
      summary:
        "What the owner lets a channel spend, in one payment and in one UTC day, signed by the owner's wallet",
      may: ['owner'],
      params: z.object({ channel: z.coerce.number().int().min(0).max(UINT32_MAX) }),
      body: z.strictObject({
        tap: z.int().min(0).max(UINT48_MAX),
        day: z.int().min(0).max(UINT48_MAX),
        at: z.int().min(0).max(UINT40_MAX),
        signature: signatureText,
      }),
      answer: z.object({ channel: z.number(), limits: anything }),
      act: async ({ caller, params, body }) => {
        const channel = ownChannel(parts, caller!, params.channel);
        const { tap, day, at, signature } = body;
        const head = parts.registry.state.heads[String(channel)];
        const hash = limitsHash(config.chain, { channel, tap, day, at });
        if (head === undefined || !(await api.accountSigned(head.owner as Hex, hash, signature as Hex)))
          throw refused(
            'bad_signature',
            'the owner of this channel did not sign this',
            'Sign with its account.',
          );
        const before = parts.registry.state.limits[String(channel)];
        const isLate = Math.abs(Date.now() / 1000 - at) > CLOCK_SECONDS;
        if (isLate || (before !== undefined && at <= before.at))
          throw refused(
            'limits_old',
            isLate ? 'these limits were signed at another time' : 'newer limits are in force',
            'Look whether the clock of this machine is right, and sign them once more.',
          );
        await parts.setLimits(channel, { tap, day }, at);
        return { channel, limits: { tap: shown(tap), day: shown(day), at } };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/payments/{id}/receipt',
      summary: 'A payment as a page to print: what was paid, to whom, and where the ledger and L2 show it',
      may: ROLES,
      personal: true,
      params: z.object({ id: z.string().regex(/^(0x)?[0-9a-fA-F]{4,64}$/, 'want 4 hex digits or more') }),
      answer: anything,
      act: async ({ caller, params }) => {
        const life = await paymentLife(parts, desk, params.id);
        mayRead(parts, caller!, life.payment, params.id);
        return new Text('text/html; charset=utf-8', receiptHtml(config.name, config.chain, life));
      },
    }),
  ];
}

/** Throws `payment_unknown` when a payment is somebody else's: it is told like one that is not there. */
export function mayRead(
  parts: Pick<Parts, 'registry'>,
  caller: Caller,
  { payee, channel }: { readonly payee: string; readonly channel: number },
  id: string,
): void {
  if (caller.role === 'merchant' ? payee === caller.payee : caller.role !== 'owner') return;
  if (caller.role === 'owner' && ownChannels(parts, caller).includes(channel)) return;
  throw refused(
    'payment_unknown',
    `no payment ${id} of yours is in the ledger`,
    'Look for it by amount and day.',
  );
}

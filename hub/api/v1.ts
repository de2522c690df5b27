/** The routes of the hub's API, version 1: what can be asked and done, and by whom. */
import { z } from 'zod';
import { Text } from '../../hardware/boards/node/http/routes.ts';
import { toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { amount, channelId, UINT32_MAX, UINT48_MAX } from '../../protocol/integers.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { type Certificate, parseRootWord } from '../crypto/hub-keys.ts';
import { trieGet } from '../intake/trie.ts';
import { mayRead, ownChannel, ownChannels, type OwnerParts, ownerRoutes } from './owners.ts';
import type { Audit } from '../desk/audit.ts';
import { addressText, type Desk, nameText, roleText } from '../desk/desk.ts';
import { type Caller, ROLES, type Role } from '../desk/tokens.ts';
import type { Hooks } from '../hooks/hooks.ts';
import { SIMULATED_ATTACKS, simulatedLosses } from '../desk/simulated-losses.ts';
import { bondOf, worstCases } from '../desk/worst-cases.ts';
import { pageMax } from '../limits.ts';
import { hookRoutes } from './hooks.ts';
import { type PeopleParts, peopleRoutes } from './people.ts';
import { type WithdrawalParts, withdrawalRoutes } from './withdrawals.ts';
import { amountText } from './amounts.ts';
import { hubKeysOf, statusOf } from './pages.ts';
import type { Parts } from './parts.ts';
import {
  findPayments,
  moneyNow,
  type PaymentFilter,
  paymentLife,
  allPayments,
  statementOf,
} from './payments.ts';
import { statementPdf } from './statement-pdf.ts';
import { camt053, camt054, statementCsv, statementHtml } from './statement-forms.ts';
import { type Route, route } from './server.ts';
import { channelViews } from './views.ts';

/** What the routes work on. */
export interface ApiParts extends OwnerParts, PeopleParts, WithdrawalParts {
  readonly audit: Audit;
  readonly signing: Signing;
  readonly hooks: Hooks;
  /** Where a device (its address) is told to connect, with a user of its own where the broker has them. */
  deviceUrl(device: string): Promise<string>;
  /** A merchant came or went: its terminals may be members of the site's scopes, or no more. */
  merchantsChanged(): void;
}

const READERS: readonly Role[] = ['operator', 'support', 'auditor'];
const ALL: readonly Role[] = ROLES;
const WITH_MERCHANT: readonly Role[] = [...READERS, 'merchant'];

const whole = (max: number) => z.coerce.number().int().min(0).max(max);
const moment = whole(2 ** 40 - 1);
const anything = z.record(z.string(), z.unknown());
const merchantSchema = z.object({
  name: z.string(),
  address: z.string(),
  wideMax: z.number(),
  terminals: z.number().optional(),
  addedAt: z.number(),
});
const deviceSchema = z.object({
  address: z.string(),
  name: z.string(),
  role: roleText,
  payee: z.string().optional(),
  merchant: z.string().optional(),
  certificateExpiresAt: z.number().optional(),
  enrolledAt: z.number().optional(),
  revokedAt: z.number().optional(),
  online: z.boolean(),
  registered: z.boolean(),
  syncedAt: z.number().optional(),
});
const paymentSchema = z.object({
  id: z.string(),
  at: z.number(),
  amount: z.number(),
  kind: z.enum(['voucher', 'stream']),
  state: z.enum(['acknowledged', 'settled', 'void']),
  transaction: z.string().optional(),
  credited: z.number(),
  channel: z.number(),
  seq: z.number(),
  terminal: z.string(),
  terminalName: z.string().optional(),
  payee: z.string(),
  merchant: z.string().optional(),
  ticks: z.number(),
  position: z.number(),
});
const filterSchema = z.object({
  amount: whole(UINT48_MAX).optional(),
  from: moment.optional(),
  to: moment.optional(),
  terminal: z.string().max(64).optional(),
  payee: z.string().max(64).optional(),
  channel: whole(UINT32_MAX).optional(),
  seq: whole(UINT32_MAX).optional(),
  id: z
    .string()
    .regex(/^(0x)?[0-9a-fA-F]{1,64}$/, 'want hex digits')
    .optional(),
  state: z.enum(['acknowledged', 'settled', 'void']).optional(),
});
const pageSchema = {
  limit: z.coerce.number().int().min(1).max(pageMax).default(50),
  after: z.string().max(66).optional(),
};

/** Terminals that are offline at once, as `sundial limits` takes them, and points of the curve. */
const LIMITS_TERMINALS_MAX = 1000;
const CURVE_POINTS = 40;
const worstCaseSchema = z.object({
  leases: z.enum(['scope', 'any']),
  tapLimit: z.number(),
  cap: z.number(),
  terminals: z.number(),
  taken: z.number(),
  worst: z.number(),
  borneBy: z.enum(['nobody', 'merchants']),
  each: z.number(),
});

const simulatedSchema = z.object({
  network: z.enum(['always', 'hourly', 'never']),
  copies: z.number(),
  taken: z.number(),
  takenMost: z.number(),
  lost: z.number(),
});

/** The worst cases, what simulated attacks come to, and how the loss grows with the terminals. */
function limitsOf({ deposit, terminals }: { readonly deposit: number; readonly terminals: number }) {
  const own = amount(deposit);
  const points = Math.min(CURVE_POINTS, terminals);
  const curve = Array.from({ length: points + 1 }, (_, point) => {
    const at = Math.round((terminals * point) / points);
    const [scope, any] = at === 0 ? [] : worstCases(own, at);
    return { terminals: at, scope: scope?.worst ?? 0, any: any?.worst ?? 0 };
  });
  const simulated = { attacks: SIMULATED_ATTACKS, rows: [...simulatedLosses(own)] };
  return { deposit, bond: bondOf(own), terminals, cases: [...worstCases(own, terminals)], curve, simulated };
}

/** What a caller may see of payments: a merchant its own, an owner its channel's. */
function within({ parts, desk }: ApiParts, caller: Caller, filter: PaymentFilter): PaymentFilter {
  const payee = filter.payee === undefined ? undefined : payeeOf(desk, filter.payee);
  if (caller.role === 'merchant') return { ...filter, payee: caller.payee! };
  if (caller.role === 'owner')
    return { ...filter, payee, channel: ownChannel(parts, caller, filter.channel) };
  return { ...filter, payee };
}

/** A merchant's name, or an address of any payee. */
const payeeOf = (desk: Desk, text: string): string =>
  desk.merchants.find(({ name }) => name === text)?.address ?? text.toLowerCase();

/** Until when a terminal may accept with no network, as it was told: the end of its last membership. */
function memberUntil({ intake }: Parts, device: string): number | undefined {
  const ends = Object.values(intake.durableBooks.members)
    .flat()
    .filter(({ terminal }) => toHex(terminal) === device)
    .map(({ expiresAt }) => expiresAt);
  return ends.length === 0 ? undefined : Math.max(...ends);
}

function devicesOf({ parts, desk }: ApiParts, caller: Caller) {
  const { registry, online } = parts;
  const merchants = new Map(desk.merchants.map(({ address, name }) => [address, name]));
  const enrolled = new Map(desk.devices.map((device) => [device.address, device]));
  const addresses = new Set([...enrolled.keys(), ...Object.keys(registry.state.devices)]);
  const synced = new Map<string, number>();
  for (const device of addresses) {
    const at = trieGet(parts.intake.durableBooks.synced, device.slice(2))?.at;
    if (at !== undefined) synced.set(device, at);
  }
  return [...addresses]
    .map((address) => {
      const desk = enrolled.get(address);
      const known = registry.state.devices[address];
      const payee = known?.payee ?? desk?.payee;
      return {
        address,
        name: desk?.name ?? `${address.slice(0, 10)}…`,
        role: desk?.role ?? known!.role,
        payee,
        merchant: payee === undefined ? undefined : merchants.get(payee),
        certificateExpiresAt: known?.certificateExpiresAt ?? desk?.certificateExpiresAt,
        enrolledAt: desk?.enrolledAt,
        revokedAt: desk?.revokedAt,
        channel: known?.channel,
        online: online.has(address),
        registered: known !== undefined,
        syncedAt: synced.get(address),
      };
    })
    .filter((device) => caller.role !== 'merchant' || device.payee === caller.payee)
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** The last result again, while what it depends on is the same: pages ask every few seconds. */
function sameWhile<T>(dependsOn: () => string, work: () => T): () => T {
  let last: { readonly on: string; readonly result: T } | undefined;
  return () => {
    const on = dependsOn();
    if (last?.on !== on) last = { on, result: work() };
    return last.result;
  };
}

/** All routes. */
export function v1Routes(api: ApiParts): Route[] {
  const { parts, desk, tokens, audit } = api;
  const money = sameWhile(
    () => `${parts.journal.tree.size} ${parts.registry.state.watched.height} ${parts.intake.state.block?.at}`,
    () => moneyNow(parts),
  );
  /** Do acts about money want two people here? */
  const two = parts.config.approvals !== undefined;
  const operators = (): string[] =>
    tokens
      .list()
      .flatMap(({ name, role }) => (role === 'operator' && tokens.named(name) !== undefined ? [name] : []));
  const channelParams = z.object({ channel: whole(UINT32_MAX) });
  return [
    route({
      method: 'GET',
      path: '/v1/me',
      summary: 'Who asks',
      may: ALL,
      answer: z.object({
        name: z.string(),
        role: z.enum(ROLES),
        payee: z.string().optional(),
        channel: z.number().optional(),
        account: z.string().optional(),
      }),
      act: ({ caller }) => ({
        name: caller!.name,
        role: caller!.role,
        payee: caller!.payee,
        channel: caller!.channel,
        account: caller!.account,
      }),
    }),
    route({
      method: 'GET',
      path: '/v1/status',
      summary: 'The hub at a glance: ready or why not, chain, broker, ledger, settlement',
      may: READERS,
      answer: anything,
      act: () => ({ ...statusOf(parts), money: money() }),
    }),
    route({
      method: 'GET',
      path: '/v1/payments',
      summary: 'Payments, newest first: by amount, time, terminal, merchant, channel, id or state',
      may: ALL,
      personal: true,
      query: filterSchema.extend(pageSchema),
      answer: z.object({
        payments: z.array(paymentSchema),
        total: z.number(),
        sum: z.number(),
        complete: z.boolean(),
        next: z.string().optional(),
      }),
      act: ({ caller, query: { limit, after, ...filter } }) =>
        findPayments(parts, desk, within(api, caller!, filter), { limit, after }),
    }),
    route({
      method: 'GET',
      path: '/v1/payments/{id}',
      summary: "One payment's life, with a sentence for people",
      may: ALL,
      personal: true,
      params: z.object({ id: z.string().regex(/^(0x)?[0-9a-fA-F]{4,64}$/, 'want 4 hex digits or more') }),
      answer: z.object({ payment: paymentSchema, steps: z.array(anything), sentence: z.string() }),
      act: async ({ caller, params }) => {
        const life = await paymentLife(parts, desk, params.id);
        mayRead(parts, caller!, life.payment, params.id);
        return life;
      },
    }),
    route({
      method: 'GET',
      path: '/v1/statements',
      summary: "A merchant's statement of a period",
      may: WITH_MERCHANT,
      personal: true,
      query: z.object({
        payee: z.string().max(64).optional(),
        from: moment.default(0),
        to: moment.default(2 ** 40 - 1),
        format: z.enum(['json', 'csv', 'html', 'pdf', 'camt053', 'camt054']).default('json'),
      }),
      answer: anything,
      act: async ({ caller, query }) => {
        const payee = caller!.role === 'merchant' ? caller!.payee! : payeeOf(desk, query.payee ?? '');
        const { address } = desk.merchant(payee);
        const statement = await statementOf(parts, desk, address, query.from, query.to);
        const at = Math.floor(Date.now() / 1000);
        const period = { payee: address, from: query.from, to: query.to };
        switch (query.format) {
          case 'csv':
            return new Text('text/csv; charset=utf-8', statementCsv(statement));
          case 'html':
            return new Text('text/html; charset=utf-8', statementHtml(statement, at));
          case 'pdf':
            return new Text('application/pdf', await statementPdf(statement, at));
          case 'camt053':
            return new Text('application/xml', camt053(statement, at));
          case 'camt054':
            return new Text(
              'application/xml',
              camt054(statement, await allPayments(parts, desk, period), at),
            );
          default:
            return statement;
        }
      },
    }),
    route({
      method: 'GET',
      path: '/v1/payees',
      summary: 'Merchants',
      may: WITH_MERCHANT,
      answer: z.object({ payees: z.array(merchantSchema) }),
      act: ({ caller }) => ({
        payees: desk.merchants.filter(
          ({ address }) => caller!.role !== 'merchant' || address === caller!.payee,
        ),
      }),
    }),
    route({
      method: 'POST',
      path: '/v1/payees',
      summary: 'Adds a merchant; with its key its terminals can be enrolled by code',
      may: ['operator'],
      body: z.strictObject({
        name: nameText,
        address: addressText.optional(),
        key: z
          .string()
          .regex(/^0x[0-9a-f]{64}$/, 'want a private key: 0x and 64 hex digits')
          .optional(),
        wideMax: whole(UINT48_MAX).default(0),
        terminals: z.int().min(1).max(10_000).optional(),
      }),
      answer: merchantSchema,
      secondFor: ({ body }) =>
        !two
          ? undefined
          : `adds merchant ${body.name}${body.wideMax > 0 ? `, at its own risk up to ${amountText(body.wideMax)}` : ''}`,
      act: ({ body: { key, ...body } }) => {
        const address = key === undefined ? body.address : desk.keepKey(key);
        if (address === undefined)
          throw new SundialError('bad_field', 'neither address nor key', {
            severity: 'call',
            remedy: 'Give one of them.',
          });
        const merchant = desk.addMerchant({ ...body, address });
        api.merchantsChanged();
        return merchant;
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/payees/{payee}',
      summary: 'Ends enrolment for a merchant; what its terminals hold is settled as ever',
      may: ['operator'],
      params: z.object({ payee: z.string().max(64) }),
      answer: merchantSchema,
      secondFor: ({ params }) => (!two ? undefined : `removes merchant ${desk.merchant(params.payee).name}`),
      act: ({ params }) => {
        const merchant = desk.removeMerchant(params.payee);
        api.merchantsChanged();
        return merchant;
      },
    }),
    route({
      method: 'GET',
      path: '/v1/devices',
      summary: 'Devices: enrolled, registered, online, last handed in',
      may: WITH_MERCHANT,
      personal: true,
      answer: z.object({ devices: z.array(deviceSchema) }),
      act: ({ caller }) => ({ devices: devicesOf(api, caller!) }),
    }),
    route({
      method: 'POST',
      path: '/v1/devices/{device}/revoke',
      summary: 'Registers a device no more: a terminal then refuses when its membership ends',
      may: ['operator', 'support'],
      params: z.object({ device: z.string().max(64) }),
      answer: z.object({
        address: z.string(),
        name: z.string(),
        revokedAt: z.number(),
        acceptsUntil: z.number().optional(),
      }),
      act: ({ params }) => {
        const { address, name, revokedAt } = desk.revoke(params.device);
        return { address, name, revokedAt, acceptsUntil: memberUntil(parts, address) };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/enrolments',
      summary: 'Codes that wait to be used',
      may: ['operator', 'auditor'],
      answer: z.object({ codes: z.array(anything) }),
      act: () => ({ codes: desk.codes }),
    }),
    route({
      method: 'POST',
      path: '/v1/enrolments',
      summary: 'Makes a one-time code for a device',
      may: ['operator', 'merchant'],
      body: z.strictObject({
        role: roleText,
        name: nameText,
        payee: z.string().max(64).optional(),
        minutes: z
          .int()
          .min(1)
          .max(7 * 24 * 60)
          .default(60),
      }),
      answer: z.object({ code: z.string(), expiresAt: z.number() }),
      act: ({ caller, body }) => {
        const payee = caller!.role === 'merchant' ? caller!.payee : body.payee;
        return desk.invite({ ...body, payee });
      },
    }),
    route({
      method: 'POST',
      path: '/v1/enrolments/redeem',
      summary: 'Gives a device what its code was made for',
      may: 'anyone',
      perMinute: 30,
      body: z.strictObject({ code: z.string().min(4).max(64), device: addressText }),
      answer: anything,
      act: async ({ body }) => {
        const device = desk.redeem(body.code, body.device);
        const { config, keys } = parts;
        const word = keys
          .words()
          .find((one) => one.type === 'hubKey' && toHex((one as Certificate).key) === parts.address());
        if (word === undefined)
          throw new SundialError('no_hub_key', 'this hub has no certified key', {
            severity: 'call',
            remedy: 'Certify one: `sundial hub-key certify`, then `hub-key install`.',
          });
        const isTerminal = device.payee !== undefined;
        const [scope] = config.scopes;
        return {
          role: device.role,
          name: device.name,
          chainId: config.chain.chainId,
          vault: config.chain.vault,
          hub: config.name,
          root: config.keys.root,
          hubKey: toHex(encodeMessage(word)),
          hubUrl: await api.deviceUrl(body.device),
          timing: config.timing,
          // Payers of a hub that lends to any terminal name none.
          ...(!isTerminal && scope !== undefined && !config.leaseAnyScope && { scope: scope.id }),
          ...(isTerminal && {
            payee: device.payee,
            certificate: await desk.certify(api.signing, device),
            ...((device.wideMax ?? 0) > 0 && { wideMax: device.wideMax }),
          }),
        };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/channels',
      summary: 'Channels: what L2 holds, what the ledger has, per lane',
      may: [...READERS, 'owner'],
      personal: true,
      answer: z.object({ channels: z.array(anything) }),
      act: ({ caller }) => {
        const own = caller!.role === 'owner' ? ownChannels(parts, caller!) : undefined;
        return {
          channels: channelViews(parts.intake.state, parts.intake.durableBooks, parts.registry.state).filter(
            ({ channel }) => own === undefined || own.includes(channel),
          ),
        };
      },
    }),
    ...(['revoke', 'allow'] as const).map((word) =>
      route({
        method: 'POST',
        path: `/v1/channels/{channel}/${word}`,
        summary:
          word === 'revoke' ? 'A lost device: refused by terminals, no lease any more' : 'Takes that back',
        may: ['operator', 'support', ...(word === 'revoke' ? (['owner'] as const) : [])],
        params: channelParams,
        answer: z.object({ channel: z.number(), revoked: z.boolean() }),
        act: async ({ caller, params }) => {
          if (caller!.role === 'owner') ownChannel(parts, caller!, params.channel);
          await parts.revoke(channelId(params.channel), word === 'revoke');
          return { channel: params.channel, revoked: word === 'revoke' };
        },
      }),
    ),
    route({
      method: 'GET',
      path: '/v1/limits',
      summary:
        'What limits may cost when a key is copied: most taken, most lost and by whom, by how many terminals are offline at once',
      may: READERS,
      query: z.object({
        /** Of one channel, units. */
        deposit: whole(UINT48_MAX).default(300_000_000),
        /** That may be offline at once. */
        terminals: z.coerce.number().int().min(1).max(LIMITS_TERMINALS_MAX).default(20),
      }),
      answer: z.object({
        deposit: z.number(),
        bond: z.number(),
        terminals: z.number(),
        cases: z.array(worstCaseSchema),
        curve: z.array(z.object({ terminals: z.number(), scope: z.number(), any: z.number() })),
        /** What attacks by copied keys came to in the simulator, on leases for any terminal. */
        simulated: z.object({ attacks: z.number(), rows: z.array(simulatedSchema) }),
      }),
      act: ({ query }) => limitsOf(query),
    }),
    route({
      method: 'GET',
      path: '/v1/settlements',
      summary: 'Batches: open and finished, with their gas',
      may: READERS,
      answer: z.object({ open: anything.optional(), finished: z.array(anything) }),
      act: () => {
        const { open, finished } = statusOf(parts).settlement;
        return { open, finished: [...finished].reverse() };
      },
    }),
    route({
      method: 'POST',
      path: '/v1/settlements',
      summary: 'Settles now; answers when it is final, or after a minute',
      may: ['operator'],
      answer: anything,
      act: async () => {
        await parts.rounds.settleNow();
        return statusOf(parts);
      },
    }),
    route({
      method: 'GET',
      path: '/v1/hub-keys',
      summary: 'Keys that the hub signs with',
      may: READERS,
      answer: anything,
      act: () => hubKeysOf(parts),
    }),
    route({
      method: 'POST',
      path: '/v1/hub-keys',
      summary: "Takes a word of the hub's root, which proves itself",
      may: 'anyone',
      perMinute: 30,
      body: z.strictObject({
        word: z.string().regex(/^0x([0-9a-f]{2}){1,400}$/, 'want what hub-key printed'),
      }),
      answer: anything,
      act: async ({ body }) => {
        await parts.takeRootWord(parseRootWord(body.word));
        return hubKeysOf(parts);
      },
    }),
    route({
      method: 'GET',
      path: '/v1/tokens',
      summary: 'Tokens, without their secrets',
      may: ['operator', 'auditor'],
      answer: z.object({ tokens: z.array(anything) }),
      act: () => ({ tokens: tokens.list() }),
    }),
    route({
      method: 'POST',
      path: '/v1/tokens',
      summary: 'Makes a token; its secret is shown once',
      may: ['operator'],
      body: z.strictObject({
        name: nameText,
        role: z.enum(ROLES),
        payee: z.string().max(64).optional(),
        channel: z.int().min(0).max(UINT32_MAX).optional(),
        days: z.int().min(1).max(400).default(90),
      }),
      answer: z.object({ name: z.string(), token: z.string(), expiresAt: z.number() }),
      // Else one person could make the second one; the first second one, nobody else can.
      secondFor: ({ body: { name, role } }) =>
        two && role === 'operator' && operators().length > 0 ? `makes ${name} an operator` : undefined,
      act: ({ body: { name, role, payee, channel, days } }) => {
        if ((role === 'merchant') !== (payee !== undefined) || (role === 'owner') !== (channel !== undefined))
          throw new SundialError('bad_field', 'a merchant has a payee, an owner a channel, others neither', {
            severity: 'call',
            remedy: 'Give payee with the role merchant, channel with the role owner.',
          });
        const expiresAt = Math.floor(Date.now() / 1000) + days * 86_400;
        api.passkeys.removeOf(name);
        const token = tokens.make({
          name,
          role,
          expiresAt,
          ...(payee !== undefined && { payee: desk.merchant(payee).address }),
          ...(channel !== undefined && { channel }),
        });
        return { name, token, expiresAt };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/tokens/{name}',
      summary: 'Removes a token and ends its sign-ins',
      may: ['operator'],
      params: z.object({ name: z.string().max(64) }),
      answer: z.object({ removed: z.string() }),
      secondFor: ({ params: { name } }) =>
        two && operators().includes(name) ? `takes operator ${name} away` : undefined,
      act: ({ params }) => {
        tokens.remove(params.name);
        api.passkeys.removeOf(params.name);
        return { removed: params.name };
      },
    }),
    route({
      method: 'POST',
      path: '/v1/links',
      summary: 'A one-time link that signs a browser in, for ten minutes',
      may: ALL,
      answer: z.object({ path: z.string() }),
      act: ({ caller }) => ({ path: `/signin?link=${tokens.link(caller!)}` }),
    }),
    ...ownerRoutes(api),
    ...hookRoutes(api),
    ...peopleRoutes(api),
    ...withdrawalRoutes(api),
    route({
      method: 'GET',
      path: '/v1/audit',
      summary: 'Who did and read what, newest first',
      may: ['operator', 'auditor'],
      personal: true,
      query: z.object({ limit: pageSchema.limit }),
      answer: z.object({ lines: z.array(anything) }),
      act: ({ query }) => ({ lines: audit.newest(query.limit) }),
    }),
  ];
}

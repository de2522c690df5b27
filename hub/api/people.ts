/** The routes of people: passkeys by which they sign in, and acts that want two of them. */
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server';
import { z } from 'zod';
import type { Approvals } from '../desk/approvals.ts';
import { nameText } from '../desk/desk.ts';
import type { Passkeys } from '../desk/passkeys.ts';
import { type Role, ROLES, type Tokens } from '../desk/tokens.ts';
import { type Route, route, SignedIn } from './server.ts';

/** Owners have wallets. */
const STAFF: readonly Role[] = ['operator', 'support', 'auditor', 'merchant'];
const anything = z.record(z.string(), z.unknown());
const passkeyView = z.object({
  id: z.string(),
  label: z.string(),
  person: z.string(),
  addedAt: z.number(),
  usedAt: z.number().optional(),
});
const wishView = z.object({
  id: z.string(),
  by: z.string(),
  words: z.string(),
  askedAt: z.number(),
  until: z.number(),
});
/** What an authenticator says: its fields are checked by who verifies it. */
const spoken = z.looseObject({ id: z.string().max(1_400), type: z.literal('public-key') });

/** What the routes work on. */
export interface PeopleParts {
  readonly passkeys: Passkeys;
  readonly approvals: Approvals;
  readonly tokens: Tokens;
}

/** The routes. */
export function peopleRoutes({ passkeys, approvals, tokens }: PeopleParts): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/passkeys',
      summary: 'Passkeys: one’s own, and to operators and auditors all',
      may: STAFF,
      answer: z.object({ passkeys: z.array(passkeyView) }),
      act: ({ caller }) => ({
        passkeys: passkeys.list(
          caller!.role === 'operator' || caller!.role === 'auditor' ? undefined : caller!.name,
        ),
      }),
    }),
    route({
      method: 'POST',
      path: '/v1/passkeys/options',
      summary: 'What a browser asks its authenticator to make a passkey of, good once, for five minutes',
      may: STAFF,
      answer: anything,
      act: ({ caller, host }) => passkeys.toRegister(caller!, host ?? ''),
    }),
    route({
      method: 'POST',
      path: '/v1/passkeys',
      summary: 'Registers a passkey for who asks',
      may: STAFF,
      body: z.strictObject({ label: nameText, response: spoken }),
      answer: z.object({ label: z.string() }),
      act: async ({ caller, body: { label, response }, host }) => {
        await passkeys.register(caller!, label, response as unknown as RegistrationResponseJSON, host ?? '');
        return { label };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/passkeys/{id}',
      summary: 'Removes a passkey: one’s own, an operator anybody’s',
      may: STAFF,
      params: z.object({ id: z.string().max(1_400) }),
      answer: z.object({ removed: z.string() }),
      act: ({ caller, params: { id } }) => {
        passkeys.remove(id, caller!.role === 'operator' ? undefined : caller!.name);
        return { removed: id };
      },
    }),
    route({
      method: 'POST',
      path: '/v1/signin/passkey/options',
      summary: 'What a browser asks its authenticator to sign in with',
      may: 'anyone',
      perMinute: 30,
      answer: anything,
      act: ({ host }) => passkeys.toSignIn(host ?? ''),
    }),
    route({
      method: 'POST',
      path: '/v1/signin/passkey',
      summary: 'Signs a browser in with a passkey',
      may: 'anyone',
      perMinute: 30,
      body: z.strictObject({ response: spoken }),
      answer: z.object({ name: z.string(), role: z.enum(ROLES) }),
      act: async ({ body, host }) => {
        const caller = await passkeys.signIn(
          body.response as unknown as AuthenticationResponseJSON,
          host ?? '',
        );
        const { name, role } = caller;
        return new SignedIn(tokens.signInAs(caller), name, { name, role });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/approvals',
      summary: 'Acts that wait for a second person',
      may: ['operator', 'auditor'],
      answer: z.object({ approvals: z.array(wishView) }),
      act: () => ({ approvals: approvals.list() }),
    }),
    route({
      method: 'POST',
      path: '/v1/approvals/{id}/approve',
      summary: 'Does what another person asked for; the answer is that act’s',
      may: ['operator'],
      params: z.object({ id: z.string().max(64) }),
      answer: anything,
      act: async ({ caller, params }) => {
        const { wish, answer } = await approvals.approve(params.id, caller!);
        return { ...wish, approvedBy: caller!.name, answer };
      },
    }),
    route({
      method: 'POST',
      path: '/v1/approvals/{id}/refuse',
      summary: 'Takes away what waits for a second person',
      may: ['operator'],
      params: z.object({ id: z.string().max(64) }),
      answer: wishView,
      act: ({ params }) => approvals.refuse(params.id),
    }),
  ];
}

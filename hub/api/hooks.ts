/** The routes of webhooks: who else is told what happens at this hub. */
import { z } from 'zod';
import { type Desk, nameText } from '../desk/desk.ts';
import { eventText, type Hooks } from '../hooks/hooks.ts';
import { hookUrlMax } from '../limits.ts';
import { type Route, route } from './server.ts';

const params = z.object({ name: z.string().max(64) });
const hookView = z.object({
  name: z.string(),
  url: z.string(),
  events: z.array(eventText),
  payee: z.string().optional(),
  addedAt: z.number(),
  behind: z.number(),
  lost: z.number(),
  toldAt: z.number().optional(),
  secretUntil: z.number().optional(),
  failing: z
    .object({
      since: z.number(),
      attempts: z.number(),
      trouble: z.string(),
      nextAt: z.number().optional(),
    })
    .optional(),
  disabled: z.object({ at: z.number(), why: z.string() }).optional(),
});

/** The routes. */
export function hookRoutes({ hooks, desk }: { readonly hooks: Hooks; readonly desk: Desk }): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/webhooks',
      summary: 'Webhooks, without their secrets: how far each is behind, and what is wrong with it',
      may: ['operator', 'auditor'],
      answer: z.object({ webhooks: z.array(hookView) }),
      act: () => ({ webhooks: hooks.list() }),
    }),
    route({
      method: 'POST',
      path: '/v1/webhooks',
      summary: 'Adds a webhook, told of what comes from now on; its secret is shown once',
      may: ['operator'],
      body: z.strictObject({
        name: nameText,
        url: z.string().max(hookUrlMax),
        events: z
          .array(eventText)
          .min(1)
          .max(eventText.options.length)
          .default([...eventText.options]),
        payee: z.string().max(64).optional(),
      }),
      answer: z.object({ name: z.string(), secret: z.string() }),
      act: ({ body: { payee, ...wish } }) => ({
        name: wish.name,
        ...hooks.add({ ...wish, ...(payee !== undefined && { payee: desk.merchant(payee).address }) }),
      }),
    }),
    route({
      method: 'DELETE',
      path: '/v1/webhooks/{name}',
      summary: 'Removes a webhook',
      may: ['operator'],
      params,
      answer: z.object({ removed: z.string() }),
      act: async ({ params: { name } }) => {
        await hooks.remove(name);
        return { removed: name };
      },
    }),
    route({
      method: 'POST',
      path: '/v1/webhooks/{name}/test',
      summary: 'Sends a test event now, and says what the receiver answered',
      may: ['operator'],
      perMinute: 30,
      params,
      answer: z.object({ ok: z.boolean(), status: z.number().optional(), trouble: z.string().optional() }),
      act: async ({ params: { name } }) => {
        const { ok, ...more } = await hooks.test(name);
        return 'status' in more ? { ok, ...more } : { ok, trouble: more.trouble };
      },
    }),
    route({
      method: 'POST',
      path: '/v1/webhooks/{name}/rotate',
      summary: 'Makes a new secret, shown once; the one before signs beside it for a day',
      may: ['operator'],
      params,
      answer: z.object({ name: z.string(), secret: z.string(), until: z.number() }),
      act: ({ params: { name } }) => ({ name, ...hooks.rotate(name) }),
    }),
    route({
      method: 'POST',
      path: '/v1/webhooks/{name}/enable',
      summary: 'Takes up a webhook that was disabled: where it was, or from now on',
      may: ['operator'],
      params,
      body: z.strictObject({ from: z.enum(['there', 'now']).default('there') }),
      answer: z.object({ name: z.string() }),
      act: async ({ params: { name }, body }) => {
        await hooks.enable(name, body.from);
        return { name };
      },
    }),
  ];
}

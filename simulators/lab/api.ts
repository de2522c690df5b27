/** The lab's routes, version 1: devices, links, faults, hub and time, so that a test in any language can drive them. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { z } from 'zod';
import { KEYS } from '../../hardware/boards/node/cli/device-folder.ts';
import { plain } from '../../hardware/boards/node/cli/output.ts';
import {
  check,
  openApi,
  problemOf,
  refusal,
  type Route,
  routerPath,
  routesOf,
} from '../../hardware/boards/node/http/routes.ts';
import { askHub } from '../../hub/cli/ask-hub.ts';
import { rulesSchema } from '../proxy/rules.ts';
import { ADVANCE_MAX, type Lab, type LabDevice, type LabLink } from './lab.ts';
import { playLive } from './magic.ts';
import { tap } from './tap.ts';

/** Longest that an answer waits for something to happen, seconds. */
const WAIT_MAX = 60;
/** Events of one answer. */
const EVENTS_MAX = 1000;
const STATUS: Readonly<Record<string, number>> = {
  not_signed_in: 401,
  no_such_page: 404,
  device_unknown: 404,
  link_unknown: 404,
  device_there: 409,
  device_off: 409,
  device_on: 409,
  payer_held: 409,
  hub_away: 409,
};

const nameText = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'want small letters, digits and -, 32 at most');
const moneyText = z.string().regex(/^\d{1,9}(\.\d{1,6})?$/, 'want a text such as 4.50');
const byName = z.object({ name: nameText });
const byId = z.object({ id: z.string().max(16) });
const seed = z
  .int()
  .min(0)
  .max(2 ** 31)
  .default(1);

const deviceAnswer = z.object({
  name: z.string(),
  role: z.string(),
  address: z.string(),
  channel: z.number().optional(),
  running: z.boolean(),
  online: z.boolean(),
  /** Number of its newest event. */
  lastEvent: z.number(),
});
const deviceView = ({ name, role, address, channel, running, online, events }: LabDevice) => ({
  name,
  role,
  address,
  channel,
  running,
  online,
  lastEvent: events.last,
});
const linkAnswer = z.object({
  id: z.string(),
  payer: z.string(),
  terminal: z.string(),
  /** How often the devices met, and whether they do now. */
  meetings: z.number(),
  linked: z.boolean(),
  seed: z.number(),
  rules: rulesSchema,
});
const linkView = ({ id, payer, terminal, proxy, faults }: LabLink) => ({
  id,
  payer,
  terminal,
  meetings: proxy.met,
  linked: proxy.linked,
  seed: faults.seed,
  rules: faults.rules,
});
const eventAnswer = z.looseObject({ number: z.number(), event: z.string() });
const timeAnswer = z.object({ now: z.number(), ahead: z.number() });
const done = z.object({ ok: z.literal(true) });
const OK = { ok: true } as const;

const route = routesOf<Route>();

const timeOf = ({ clock }: Lab) => ({ now: clock.now(), ahead: clock.ahead });

const deviceRoutes = (lab: Lab): Route[] => [
  route({
    method: 'POST',
    path: '/v1/devices',
    summary: 'Make a device and start it as a process; it has met the hub when this answers',
    body: z.strictObject({
      name: nameText,
      role: z.enum(['wearable', 'car', 'pos', 'charger']),
      /** Whole TIME behind a payer. */
      deposit: moneyText.default('100'),
      key: z.enum(KEYS).default('memory'),
      /** Seconds that its clock is wrong by. */
      skew: z.int().min(-ADVANCE_MAX).max(ADVANCE_MAX).default(0),
      /** More words of its command, such as --speed and 1500. */
      flags: z.array(z.string().max(200)).max(20).default([]),
    }),
    answer: deviceAnswer,
    act: async ({ body }) => deviceView(await lab.addDevice(body)),
  }),
  route({
    method: 'GET',
    path: '/v1/devices',
    summary: 'All devices',
    answer: z.object({ devices: z.array(deviceAnswer) }),
    act: () => ({ devices: [...lab.devices.values()].map(deviceView) }),
  }),
  route({
    method: 'GET',
    path: '/v1/devices/{name}',
    summary: 'One device, with what its own books say while it runs',
    params: byName,
    answer: deviceAnswer.extend({ status: z.looseObject({}).optional() }),
    async act({ params }) {
      const device = lab.device(params.name);
      return { ...deviceView(device), ...(device.running && { status: await device.child.status() }) };
    },
  }),
  ...(['start', 'stop', 'kill'] as const).map((word) =>
    route({
      method: 'POST',
      path: `/v1/devices/{name}/${word}`,
      summary: { start: 'Start it again from its flash', stop: 'End it in order', kill: 'SIGKILL' }[word],
      params: byName,
      answer: deviceAnswer,
      async act({ params }) {
        const device = lab.device(params.name);
        if (word === 'start') await lab.startDevice(device);
        else if (device.running) await lab.endDevice(device, word === 'kill');
        return deviceView(device);
      },
    }),
  ),
  route({
    method: 'POST',
    path: '/v1/devices/{name}/network',
    summary: 'Give it a way to the hub, or take it away; it has met the hub when this answers',
    params: byName,
    body: z.strictObject({ on: z.boolean() }),
    answer: deviceAnswer,
    async act({ params, body }) {
      const device = lab.device(params.name);
      await lab.setOnline(device, body.on);
      return deviceView(device);
    },
  }),
  route({
    method: 'POST',
    path: '/v1/devices/{name}/clock',
    summary: 'Set the clock of a device that is off: it is wrong by `skew` seconds from its next start on',
    params: byName,
    body: z.strictObject({ skew: z.int().min(-ADVANCE_MAX).max(ADVANCE_MAX) }),
    answer: deviceAnswer,
    act({ params, body }) {
      const device = lab.device(params.name);
      lab.setSkew(device, body.skew);
      return deviceView(device);
    },
  }),
  route({
    method: 'POST',
    path: '/v1/devices/{name}/commands',
    summary:
      'A command as the process takes it on stdin with --control: {"sale":"4.50"}, {"offer":true}, {"endSession":true}, {"haltAt":"send:receipt"}, {"closeDay":true}; what comes of it are events',
    params: byName,
    body: z.strictObject({
      command: z.record(z.string().max(32), z.unknown()).refine((one) => Object.keys(one).length === 1, {
        message: 'want one command',
      }),
    }),
    answer: deviceAnswer,
    act({ params, body }) {
      const device = lab.device(params.name);
      lab.command(device, body.command);
      return deviceView(device);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/devices/{name}/events',
    summary:
      'What it said behind event `after`, of the names in `event` (commas); waits up to `wait` seconds for one',
    params: byName,
    query: z.object({
      after: z.coerce.number().int().min(0).default(0),
      event: z.string().max(400).optional(),
      wait: z.coerce.number().min(0).max(WAIT_MAX).default(0),
    }),
    answer: z.object({ events: z.array(eventAnswer) }),
    async act({ params, query: { after, event, wait } }) {
      const { events } = lab.device(params.name);
      return { events: (await events.next(after, event?.split(','), wait * 1000)).slice(0, EVENTS_MAX) };
    },
  }),
];

const linkRoutes = (lab: Lab): Route[] => [
  route({
    method: 'POST',
    path: '/v1/links',
    summary: 'Hold a payer to a terminal, through a proxy with these rules (those of sundial proxy --script)',
    body: z.strictObject({ payer: nameText, terminal: nameText, rules: rulesSchema.default([]), seed }),
    answer: linkAnswer,
    act: async ({ body }) => linkView(await lab.addLink(body.payer, body.terminal, body.rules, body.seed)),
  }),
  route({
    method: 'GET',
    path: '/v1/links',
    summary: 'All links',
    answer: z.object({ links: z.array(linkAnswer) }),
    act: () => ({ links: [...lab.links.values()].map(linkView) }),
  }),
  route({
    method: 'POST',
    path: '/v1/links/{id}/rules',
    summary: 'Other rules from the next message on',
    params: byId,
    body: z.strictObject({ rules: rulesSchema }),
    answer: linkAnswer,
    act({ params, body }) {
      const link = lab.link(params.id);
      link.faults.rules = body.rules;
      return linkView(link);
    },
  }),
  route({
    method: 'POST',
    path: '/v1/links/{id}/part',
    summary: 'Part the devices now; they meet again at once',
    params: byId,
    answer: linkAnswer,
    act({ params }) {
      const link = lab.link(params.id);
      link.proxy.part();
      return linkView(link);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/links/{id}/record',
    summary: 'Every message so far, as lines that `sundial proxy --replay` takes',
    params: byId,
    answer: z.object({ lines: z.array(z.string()) }),
    act: ({ params }) => ({ lines: lab.link(params.id).record }),
  }),
  route({
    method: 'DELETE',
    path: '/v1/links/{id}',
    summary: 'Take the payer away from the terminal',
    params: byId,
    answer: done,
    act({ params }) {
      lab.endLink(lab.link(params.id));
      return OK;
    },
  }),
  route({
    method: 'POST',
    path: '/v1/taps',
    summary:
      'One purchase: the till asks, the payer is held to it until both say paid, the till refuses, or the time is over',
    body: z.strictObject({
      payer: nameText,
      terminal: nameText,
      amount: moneyText,
      rules: rulesSchema.default([]),
      seed,
      seconds: z.number().min(0.1).max(WAIT_MAX).default(20),
    }),
    answer: z.object({
      outcome: z.enum(['paid', 'refused', 'nothing']),
      code: z.string().optional(),
      by: z.string().optional(),
      meetings: z.number(),
      record: z.array(z.string()),
    }),
    act: ({ body }) => tap(lab, body),
  }),
  route({
    method: 'POST',
    path: '/v1/magic',
    summary:
      'What a magic amount stands for, with wearables of its own, at a till that runs; 1.22 moves the time by 80 hours',
    body: z.strictObject({ terminal: nameText, amount: moneyText }),
    answer: z.object({ name: z.string(), about: z.string(), till: z.array(z.string()) }),
    act: ({ body }) => playLive(lab, body.terminal, body.amount),
  }),
];

const siteRoutes = (lab: Lab): Route[] => [
  route({
    method: 'GET',
    path: '/v1/hub',
    summary: 'Whether the hub runs, and its own status',
    answer: z.object({ running: z.boolean(), status: z.looseObject({}).optional() }),
    act: async () => ({
      running: lab.hubRuns,
      ...(lab.hubRuns && { status: await askHub(lab.hub, '/status') }),
    }),
  }),
  ...(['start', 'stop', 'kill'] as const).map((word) =>
    route({
      method: 'POST',
      path: `/v1/hub/${word}`,
      summary: { start: 'Start the hub from its folder', stop: 'End it in order', kill: 'SIGKILL' }[word],
      answer: done,
      async act() {
        if (word === 'start') await lab.startHub();
        else await lab.endHub(word === 'kill');
        return OK;
      },
    }),
  ),
  route({
    method: 'POST',
    path: '/v1/settlements',
    summary: 'Settle on L2 what can be settled; answers when it is final',
    answer: z.object({ batches: z.array(z.looseObject({})) }),
    act: async () => ({ batches: await lab.settle() }),
  }),
  route({
    method: 'GET',
    path: '/v1/books',
    summary: 'Journals of all devices, ledger and vault, side by side, in units of 10^-6 TIME',
    answer: z.looseObject({
      reconciled: z.boolean(),
      conserved: z.boolean(),
      lanes: z.array(z.looseObject({})),
    }),
    act: () => lab.books(),
  }),
  ...(['revoke', 'allow'] as const).map((word) =>
    route({
      method: 'POST',
      path: `/v1/devices/{name}/${word}`,
      summary:
        word === 'revoke' ? 'The owner lost it: tills that hear of it refuse it' : 'It was found again',
      params: byName,
      answer: done,
      async act({ params }) {
        await lab.revoke(lab.device(params.name), word === 'revoke');
        return OK;
      },
    }),
  ),
  route({
    method: 'GET',
    path: '/v1/time',
    summary: 'What time it is in the lab, and seconds that it is ahead of this machine',
    answer: timeAnswer,
    act: () => timeOf(lab),
  }),
  route({
    method: 'POST',
    path: '/v1/time',
    summary: 'Move the time of chain, hub and all devices ahead at once',
    body: z.strictObject({ advance: z.int().min(1).max(ADVANCE_MAX) }),
    answer: timeAnswer,
    async act({ body }) {
      await lab.advance(body.advance);
      return timeOf(lab);
    },
  }),
];

/** All routes. */
export const labRoutes = (lab: Lab): readonly Route[] => [
  ...deviceRoutes(lab),
  ...linkRoutes(lab),
  ...siteRoutes(lab),
];

/** A server with all routes, not listening yet, and the token that opens it. One question is answered at a time. */
export function makeLabServer(lab: Lab): { readonly server: FastifyInstance; readonly token: string } {
  const token = randomBytes(24).toString('base64url');
  const wanted = Buffer.from(`Bearer ${token}`);
  const send = (reply: FastifyReply, error: unknown): void => {
    const { status, body } = problemOf(error, STATUS);
    void reply.code(status).header('content-type', 'application/problem+json').send(body);
  };
  const server = fastify({
    bodyLimit: 64 * 1024,
    forceCloseConnections: true,
    frameworkErrors: (_error, _request, reply) =>
      send(reply, refusal('bad_url', 'an address that is none', 'See /openapi.json.')),
  });
  server.setErrorHandler((error, _request, reply) => send(reply, error));
  server.setNotFoundHandler((_request, reply) =>
    send(reply, refusal('no_such_page', 'no such page', 'See /openapi.json.')),
  );
  // A POST without anything to say says nothing.
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, next) => {
    try {
      next(null, text === '' ? {} : JSON.parse(String(text)));
    } catch {
      next(refusal('bad_field', 'the body is no JSON', 'Send JSON; /openapi.json has all fields.'));
    }
  });
  const routes = labRoutes(lab);
  for (const one of routes)
    server.route({
      method: one.method,
      url: routerPath(one.path),
      handler: async (request, reply) => {
        const given = Buffer.from(request.headers.authorization ?? '');
        if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
          throw refusal(
            'not_signed_in',
            'nobody known asks',
            'Send `Authorization: Bearer` and the token of `ready`.',
          );
        const answer = await one.act({
          caller: undefined,
          params: check(one.params, request.params, 'path'),
          query: check(one.query, request.query, 'query'),
          body: check(one.body, request.body ?? {}, 'body'),
        });
        return reply.header('content-type', 'application/json').send(`${JSON.stringify(answer, plain)}\n`);
      },
    });
  const description = openApi(
    routes,
    {
      title: "A Sundial lab's API",
      description: 'Devices, links, faults, hub and time of processes that run.',
    },
    () => ({ security: [{ token: [] }] }),
  );
  server.get('/openapi.json', async () => description);
  return { server, token };
}

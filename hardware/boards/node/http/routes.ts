/**
 * What our HTTP servers have in common: routes whose schemas check what comes in and make the OpenAPI description, errors
 * as problem+json with our codes and remedies, and acts that are done once for an idempotency key. Who may ask is each
 * server's own matter.
 */
import { z } from 'zod';
import { SundialError } from '../../../../protocol/errors.ts';

/** One route: what it takes, and what it does. `C` is who asks. */
export interface Route<C = undefined> {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With `{name}` for parameters, as OpenAPI writes it. */
  readonly path: `/${string}`;
  readonly summary: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodObject;
  /** What a good answer holds. */
  readonly answer: z.ZodType;
  /** What it is in words, when a second person has to let it happen; undefined: it is done at once. */
  secondFor?(ask: Ask<C>): string | undefined;
  act(ask: Ask<C>): unknown;
}

/** A checked question. */
export interface Ask<C = undefined> {
  readonly caller: C;
  readonly params: Record<string, never>;
  readonly query: Record<string, never>;
  readonly body: Record<string, never>;
  /** Host and port by which the browser knows the server, where that says it. */
  readonly host?: string | undefined;
}

/** A route as it is written: its `act` has the types of its schemas. `R`: one of a server's own. */
type Written<
  R extends Route<never>,
  P extends z.ZodObject,
  Q extends z.ZodObject,
  B extends z.ZodObject,
> = Omit<R, 'act' | 'secondFor' | 'params' | 'query' | 'body'> & {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  secondFor?(ask: Checked<R, P, Q, B>): string | undefined;
  act(ask: Checked<R, P, Q, B>): unknown;
};

interface Checked<
  R extends Route<never>,
  P extends z.ZodObject,
  Q extends z.ZodObject,
  B extends z.ZodObject,
> {
  readonly caller: Parameters<R['act']>[0]['caller'];
  readonly params: z.output<P>;
  readonly query: z.output<Q>;
  readonly body: z.output<B>;
  readonly host?: string | undefined;
}

/** Gives a server its way to write routes, which keeps the types of a route's schemas in its `act`. */
export const routesOf =
  <R extends Route<never>>() =>
  <
    P extends z.ZodObject = z.ZodObject,
    Q extends z.ZodObject = z.ZodObject,
    B extends z.ZodObject = z.ZodObject,
  >(
    one: Written<R, P, Q, B>,
  ): R =>
    one as unknown as R;

/** What an answer other than JSON is. */
export class Text {
  readonly type: string;
  readonly content: string | Uint8Array;

  constructor(type: string, content: string | Uint8Array) {
    this.type = type;
    this.content = content;
  }
}

/** An error that the caller can do something about. */
export const refusal = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'call', remedy });

const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  remedy: z.string(),
});

/** What helps against what the server itself refuses, by HTTP status. */
const REMEDIES: Readonly<Record<number, string>> = {
  413: 'Send less: bodies are bounded.',
  415: 'Send JSON, with content-type application/json.',
};

/** An error as problem+json. `statuses`: HTTP status by code; others that a caller can mend are 400. */
export function problemOf(
  error: unknown,
  statuses: Readonly<Record<string, number>>,
): { readonly status: number; readonly body: string } {
  const ours = error instanceof SundialError ? error : undefined;
  const status =
    ours?.severity === 'call'
      ? (statuses[ours.code] ?? 400)
      : ((error as { statusCode?: number }).statusCode ?? 500);
  const code = ours?.code ?? (status === 500 ? 'defect' : 'bad_request');
  const title =
    ours?.message.slice(code.length + 2) ?? (error instanceof Error ? error.message : String(error));
  const remedy = ours?.remedy ?? (status < 500 ? (REMEDIES[status] ?? 'See /openapi.json.') : 'See its log.');
  const body = `${JSON.stringify({ type: `urn:sundial:${code}`, title, status, code, remedy })}\n`;
  return { status, body };
}

/** Answers that are kept for idempotency keys: two that come at once act once, too; what failed may be tried again. */
export class Repeats {
  private readonly answers = new Map<string, Promise<unknown>>();
  private readonly most: number;

  /** `most` answers are kept; the oldest goes first. */
  constructor(most: number) {
    this.most = most;
  }

  once(key: string, act: () => Promise<unknown>): Promise<unknown> {
    const known = this.answers.get(key);
    if (known !== undefined) return known;
    if (this.answers.size >= this.most) this.answers.delete(this.answers.keys().next().value!);
    const answer = act();
    this.answers.set(key, answer);
    answer.catch(() => this.answers.delete(key));
    return answer;
  }
}

/** Throws `bad_field`, which names the field. */
export function check(schema: z.ZodObject | undefined, value: unknown, where: string): Record<string, never> {
  if (schema === undefined) return {};
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data as Record<string, never>;
  const { path, message } = parsed.error.issues[0]!;
  const field = path.join('.') || where;
  throw refusal('bad_field', `${field}: ${message}`, `Correct ${field}; /openapi.json has all fields.`);
}

/** A route's path as the server's router writes it. */
export const routerPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): object => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<
    string,
    unknown
  >;
  return rest;
};

const parametersOf = (schema: z.ZodObject | undefined, place: 'path' | 'query'): object[] =>
  Object.entries(schema?.shape ?? {}).map(([name, one]) => ({
    name,
    in: place,
    required: place === 'path' || !(one as z.ZodType).safeParse(undefined).success,
    schema: schemaOf(one as z.ZodType, 'input'),
  }));

/** The description of all routes, OpenAPI 3.1. `security`: what a route needs, beside its schemas. */
export function openApi<R extends Omit<Route, 'act' | 'secondFor'>>(
  routes: readonly R[],
  info: { readonly title: string; readonly description: string },
  security: (route: R) => object,
): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const one of routes) {
    paths[one.path] ??= {};
    paths[one.path]![one.method.toLowerCase()] = {
      operationId: `${one.method.toLowerCase()}${one.path.replace(/[^A-Za-z0-9]+(.)?/g, (_, next = '') => next.toUpperCase())}`,
      summary: one.summary,
      ...security(one),
      parameters: [...parametersOf(one.params, 'path'), ...parametersOf(one.query, 'query')],
      ...(one.body !== undefined && {
        requestBody: {
          required: true,
          content: { 'application/json': { schema: schemaOf(one.body, 'input') } },
        },
      }),
      responses: {
        200: {
          description: 'what was asked for',
          content: { 'application/json': { schema: schemaOf(one.answer, 'output') } },
        },
        default: {
          description: 'why not',
          content: { 'application/problem+json': { schema: schemaOf(problem, 'output') } },
        },
      },
    };
  }
  return {
    openapi: '3.1.0',
    info: { version: '1', ...info },
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    paths,
  };
}

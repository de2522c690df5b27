/**
 * The reference signer: a key behind two routes, which keeps limits of its own. It need not believe the hub: whoever holds
 * the hub's machine and its token gets leases within the bounds and no second entry at any position.
 *
 *   GET  /v1/key   -> { "address", "separator" }
 *   POST /v1/sign  { "words": [{ "name": "Acknowledgement", "message": { "entry": "0x..", "position": 7, "at": 1700000000 } }] }
 *                  -> { "answers": [{ "signature": "0x.." } | { "code", "detail" }] }
 *
 * Both want `Authorization: Bearer TOKEN`. Structs and fields are those of protocol/signing/structs.ts: numbers are numbers,
 * bytes are 0x and hex digits.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import Fastify from 'fastify';
import { z } from 'zod';
import type { SecureKey } from '../../hardware/interfaces/index.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { STRUCTS, type StructMessage } from '../../protocol/signing/structs.ts';
import { HUB_WORDS, type HubWord } from '../crypto/sign-as.ts';
import { signerBatchMax } from '../limits.ts';
import { type LeaseBounds, leaseRefusal, type Positions } from './limits.ts';

/** Bytes of one word as JSON: a lease has ten fields. */
const WORD_BYTES_MAX = 1_024;

/** What it signs with, for whom, and how far it goes. */
export interface SignerOptions {
  readonly key: SecureKey;
  readonly signing: Signing;
  readonly token: string;
  readonly bounds: LeaseBounds;
  readonly positions: Positions;
  readonly host: string;
  readonly port: number;
}

const bodySchema = z.strictObject({
  words: z
    .array(z.strictObject({ name: z.string(), message: z.record(z.string(), z.unknown()) }))
    .min(1)
    .max(signerBatchMax),
});

interface Word {
  readonly name: HubWord;
  readonly message: Record<string, number | Uint8Array>;
}

type Answer = { readonly signature: string } | { readonly code: string; readonly detail: string };

/** The struct as its table has it; a text says what is wrong. */
function readWord(name: string, message: Record<string, unknown>): Word | string {
  const word = HUB_WORDS.find((known) => known === name);
  if (word === undefined) return `${name.slice(0, 40)} is nothing that a hub signs`;
  const fields: Record<string, number | Uint8Array> = {};
  for (const [field, type] of Object.entries(STRUCTS[word])) {
    const value = message[field];
    if (type.startsWith('uint')) {
      const isNumber = typeof value === 'number' && Number.isInteger(value) && value >= 0;
      if (!isNumber || value >= 2 ** Number(type.slice(4))) return `${word}.${field} wants a ${type}`;
      fields[field] = value;
    } else {
      const length = type === 'address' ? 20 : Number(type.slice(5));
      if (typeof value !== 'string' || !new RegExp(`^0x[0-9a-f]{${2 * length}}$`).test(value))
        return `${word}.${field} wants ${length} bytes as 0x and hex digits`;
      fields[field] = fromHex(value, length);
    }
  }
  return { name: word, message: fields };
}

const positioned = ({ name }: Word): boolean => name === 'Acknowledgement' || name === 'Kept';

async function answersTo(
  { key, signing, bounds, positions }: SignerOptions,
  asked: readonly { readonly name: string; readonly message: Record<string, unknown> }[],
): Promise<Answer[]> {
  const words = asked.map(({ name, message }) => readWord(name, message));
  const entries = words.flatMap((word) =>
    typeof word === 'string' || !positioned(word)
      ? []
      : [{ position: word.message.position as number, entry: word.message.entry as Uint8Array }],
  );
  // Before anything is signed, and in the order in which it was asked.
  const taken = (entries.length === 0 ? [] : await positions.take(entries))[Symbol.iterator]();
  const answers: Answer[] = [];
  for (const word of words) {
    if (typeof word === 'string') {
      answers.push({ code: 'signer_word', detail: word });
      continue;
    }
    const mayBe = !positioned(word) || taken.next().value === true;
    const lease =
      word.name === 'Lease' ? leaseRefusal(bounds, word.message as StructMessage<'Lease'>) : undefined;
    if (!mayBe)
      answers.push({
        code: 'signer_position',
        detail: `another entry was signed at position ${String(word.message.position)}`,
      });
    else if (lease !== undefined) answers.push({ code: 'signer_lease', detail: lease });
    else {
      const digest = signing.digest(word.name, word.message as never);
      answers.push({ signature: toHex(await key.sign(digest)) });
    }
  }
  return answers;
}

const sumOf = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Starts it; resolves with where it listens. */
export async function startSigner(
  options: SignerOptions,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const { key, signing, token, positions, host, port } = options;
  const server = Fastify({ bodyLimit: signerBatchMax * WORD_BYTES_MAX });
  const wanted = sumOf(`Bearer ${token}`);
  server.addHook('onRequest', async (request, reply) => {
    if (timingSafeEqual(sumOf(request.headers.authorization ?? ''), wanted)) return;
    await reply.code(401).send({ code: 'signer_token', detail: 'this token is not the one in signer.token' });
  });
  server.get('/v1/key', async () => ({ address: toHex(key.address), separator: toHex(signing.separator) }));
  server.post('/v1/sign', async (request, reply) => {
    const body = bodySchema.safeParse(request.body);
    if (!body.success)
      return reply.code(400).send({ code: 'signer_request', detail: body.error.issues[0]!.message });
    return { answers: await answersTo(options, body.data.words) };
  });
  const url = await server.listen({ host, port });
  return {
    url,
    close: async () => {
      await server.close();
      await positions.close();
    },
  };
}

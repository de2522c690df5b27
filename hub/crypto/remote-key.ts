/**
 * A key of the hub that another process holds (`sundial signer`, or a security module behind the same two routes). It is
 * shown what it signs and may say no. What the hub asks at once goes in one request.
 */
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { STRUCTS, type StructMessage } from '../../protocol/signing/structs.ts';
import { causeText } from '../errors.ts';
import { signerBatchMax, signerTimeoutMs } from '../limits.ts';
import type { HubKey, HubWord } from './sign-as.ts';

/** Where it is, and what lets this hub in. */
export interface RemoteKeyOptions {
  /** http(s)://host:port */
  readonly url: string;
  readonly token: string;
}

interface Asked {
  readonly body: object;
  readonly resolve: (signature: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

type Answer = { readonly signature: string } | { readonly code: string; readonly detail: string };

/** A key behind HTTP. */
export class RemoteKey implements HubKey {
  readonly scheme = 'secp256k1';
  readonly address: Uint8Array;
  private readonly options: RemoteKeyOptions;
  private waiting: Asked[] = [];
  private isSending = false;

  private constructor(address: Uint8Array, options: RemoteKeyOptions) {
    this.address = address;
    this.options = options;
  }

  /** Asks it whose it is. Rejects with `signer_away`, `signer_refused`, or `signer_domain` when it signs for another vault. */
  static async open(options: RemoteKeyOptions, { separator }: Signing): Promise<RemoteKey> {
    const found = (await ask(options, 'GET', '/v1/key')) as { address?: string; separator?: string };
    if (found.separator !== toHex(separator))
      throw new SundialError(
        'signer_domain',
        `the signer at ${options.url} signs for another chain or vault`,
        {
          severity: 'process',
          remedy: 'Correct chainId and vault in its signer.json, or name another signer.',
        },
      );
    return new RemoteKey(fromHex(String(found.address), 20), options);
  }

  /** It signs nothing that it can't read. */
  sign(): never {
    throw new SundialError('signer_blind', 'a remote signer is asked for structs and not for digests', {
      severity: 'call',
      remedy: 'Ask by signWord.',
    });
  }

  signWord<N extends HubWord>(name: N, message: StructMessage<N>): Promise<Uint8Array> {
    const fields = Object.keys(STRUCTS[name]).map((field) => {
      const value = (message as Record<string, number | Uint8Array>)[field]!;
      return [field, typeof value === 'number' ? value : toHex(value)] as const;
    });
    return new Promise((resolve, reject) => {
      this.waiting.push({ body: { name, message: Object.fromEntries(fields) }, resolve, reject });
      void this.send();
    });
  }

  /** One request at a time: what comes meanwhile goes with the next. */
  private async send(): Promise<void> {
    if (this.isSending) return;
    this.isSending = true;
    // What is asked in this turn of the event loop goes together.
    await undefined;
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, signerBatchMax);
      try {
        const words = batch.map(({ body }) => body);
        const { answers } = (await ask(this.options, 'POST', '/v1/sign', { words })) as { answers: Answer[] };
        for (const [index, { resolve, reject }] of batch.entries()) {
          const answer = answers[index]!;
          if ('signature' in answer) resolve(fromHex(answer.signature, 64));
          else reject(refused(answer.code, answer.detail));
        }
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.isSending = false;
  }
}

async function ask(
  { url, token }: RemoteKeyOptions,
  method: string,
  path: string,
  body?: object,
): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(new URL(path, url), {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(signerTimeoutMs),
    });
  } catch (cause) {
    throw new SundialError('signer_away', `the signer at ${url} does not answer: ${causeText(cause)}`, {
      severity: 'process',
      remedy: 'Start it: `sundial signer FOLDER`. Devices send again until it signs.',
      cause,
    });
  }
  const answer = (await response.json().catch(() => undefined)) as
    | { code?: string; detail?: string }
    | undefined;
  if (response.ok && answer !== undefined) return answer;
  throw refused(answer?.code ?? String(response.status), answer?.detail ?? 'no answer of a signer');
}

const refused = (code: string, detail: string): SundialError =>
  new SundialError('signer_refused', `the signer says no (${code}): ${detail}`, {
    severity: 'process',
    remedy: 'Look at its limits in signer.json, and whether this hub is the only one that it signs for.',
    facts: { code },
  });

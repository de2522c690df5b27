/**
 * Recovers signers on other threads, so that the hub's own thread is left with hashing, books and the disk. The
 * threads know nothing but the native library: digests and signatures in, public keys out. Without the pool, or when
 * a thread dies, the intake recovers by itself: slower, never differently.
 */
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { HubCrypto } from './crypto.ts';
import { HALF_ORDER } from './crypto.ts';
import type { Question } from '../intake/prepare.ts';

/** A digest and a signature. */
const QUESTION_BYTES = 96;
/** 1 and the key's x and y, or zeros. */
const ANSWER_BYTES = 65;
/** Threads beside the main one: more cores than this would wait for it. */
const THREADS_MAX = 4;

interface Asked {
  readonly worker: Worker;
  readonly count: number;
  resolve(answers: Answers | undefined): void;
}

/** The signer of each question in order, undefined where nobody signed. */
export type Answers = readonly (Uint8Array | undefined)[];

/** What runs in each thread. It is sent there as text, so it uses nothing from outside but its parameters. */
function recoverForEver(require: NodeJS.Require): void {
  const { parentPort, workerData } = require('node:worker_threads') as typeof import('node:worker_threads');
  const { path, halfOrder } = workerData as { path: string; halfOrder: Uint8Array };
  const library = require(path) as {
    ecdsaRecover(signature: Uint8Array, parity: number, digest: Uint8Array, compressed: boolean): Uint8Array;
  };
  parentPort!.on(
    'message',
    ({ id, count, questions }: { id: number; count: number; questions: Uint8Array }) => {
      const answers = new Uint8Array(count * 65);
      for (let i = 0; i < count; i += 1) {
        const digest = questions.slice(i * 96, i * 96 + 32);
        const compact = questions.slice(i * 96 + 32, i * 96 + 96);
        const parity = compact[32]! >> 7;
        compact[32] = compact[32]! & 0x7f;
        let order = 0;
        for (let at = 0; at < 32 && order === 0; at += 1) order = compact[32 + at]! - halfOrder[at]!;
        if (order > 0) continue;
        try {
          answers.set(library.ecdsaRecover(compact, parity, digest, false), i * 65);
          answers[i * 65] = 1;
        } catch {
          // Not signed by any key: the answer stays zero.
          answers.fill(0, i * 65, i * 65 + 65);
        }
      }
      parentPort!.postMessage({ id, answers }, [answers.buffer]);
    },
  );
}

/** Threads that recover signers with the native library, beside the one that runs the hub. */
export class RecoverPool {
  private readonly workers: Worker[] = [];
  private readonly asked = new Map<number, Asked>();
  private next = 0;

  private readonly keccak: HubCrypto['suite']['keccak256'];

  private constructor(crypto: HubCrypto, threads: number) {
    this.keccak = crypto.suite.keccak256;
    const path = createRequire(import.meta.url).resolve('secp256k1/bindings');
    const code = `(${recoverForEver.toString()})(require)`;
    for (let i = 0; i < threads; i += 1) {
      const worker = new Worker(code, { eval: true, workerData: { path, halfOrder: HALF_ORDER } });
      worker.unref();
      worker.on('message', ({ id, answers }: { id: number; answers: Uint8Array }) =>
        this.answered(id, answers),
      );
      worker.on('error', () => this.lost(worker));
      worker.on('exit', () => this.lost(worker));
      this.workers.push(worker);
    }
  }

  /** A pool with a thread for each further core, or undefined where the native library does not load. */
  static start(crypto: HubCrypto): RecoverPool | undefined {
    if (crypto.kind !== 'native') return undefined;
    return new RecoverPool(crypto, Math.max(1, Math.min(availableParallelism() - 1, THREADS_MAX)));
  }

  /** Resolves with undefined when no thread can answer: whoever asked then finds out itself. */
  ask(questions: readonly Question[]): Promise<Answers | undefined> {
    const id = this.next;
    this.next += 1;
    const worker = this.workers[id % this.workers.length];
    if (worker === undefined) return Promise.resolve(undefined);
    const bytes = new Uint8Array(questions.length * QUESTION_BYTES);
    for (const [index, { digest, signature }] of questions.entries()) {
      bytes.set(digest, index * QUESTION_BYTES);
      bytes.set(signature, index * QUESTION_BYTES + 32);
    }
    return new Promise((resolve) => {
      this.asked.set(id, { worker, count: questions.length, resolve });
      worker.postMessage({ id, count: questions.length, questions: bytes }, [bytes.buffer]);
    });
  }

  private answered(id: number, answers: Uint8Array): void {
    const asked = this.asked.get(id);
    if (asked === undefined) return;
    this.asked.delete(id);
    asked.resolve(
      Array.from({ length: asked.count }, (_, index) => {
        const start = index * ANSWER_BYTES;
        return answers[start] === 1
          ? this.keccak(answers.subarray(start + 1, start + ANSWER_BYTES)).slice(12)
          : undefined;
      }),
    );
  }

  private lost(worker: Worker): void {
    const index = this.workers.indexOf(worker);
    if (index !== -1) this.workers.splice(index, 1);
    for (const [id, asked] of this.asked) {
      if (asked.worker !== worker) continue;
      this.asked.delete(id);
      asked.resolve(undefined);
    }
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.workers.slice().map((worker) => worker.terminate()));
  }
}

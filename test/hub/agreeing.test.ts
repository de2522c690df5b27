/**
 * Several nodes as one: every question is passed on whole and its answer handed back; the next node is asked when one is
 * away; where nodes must say the same, two stories are an error.
 * Not checked here: which blocks are final and what is mined (test/edges/l2, in front of a real chain), and real nodes.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { agreeing } from '../../hub/l2/agreeing.ts';
import type { L2 } from '../../hub/ports.ts';
import { SundialError } from '../../protocol/errors.ts';

const away = (): SundialError => new SundialError('l2_away', 'gone', { severity: 'call', remedy: 'Wait.' });

/** What is asked of it, and what it says to everything. */
class Node {
  readonly asked: [string, unknown[]][] = [];
  readonly port: L2;
  constructor(say: (method: string) => unknown) {
    this.port = new Proxy({} as L2, {
      get:
        (_, method: string) =>
        (...args: unknown[]) => {
          this.asked.push([method, args]);
          const said = say(method);
          return said instanceof Error ? Promise.reject(said) : Promise.resolve(said);
        },
    });
  }
}

const PAYEE = new Uint8Array(20).fill(7);
/** Questions that any node may answer. */
const ANY: readonly [keyof L2, unknown[]][] = [
  ['channel', [1]],
  ['pot', [1, 9]],
  ['claim', [1, PAYEE]],
  ['lane', [1, PAYEE]],
  ['balance', [PAYEE]],
  ['credited', [PAYEE]],
  ['payeeId', [PAYEE]],
  ['clock', []],
  ['frozenUntil', [9]],
  ['fitting', [[]]],
  ['prepareSettle', [[], { nonce: 3 }]],
  ['fees', []],
  ['registerPayee', [PAYEE]],
  ['proveFraud', ['E1', []]],
  ['registerShortfall', [[], []]],
  ['collectShare', [1, PAYEE]],
  ['closePot', [1]],
];
/** Questions to which all must say the same. */
const SAME: readonly [keyof L2, unknown[]][] = [
  ['blockAt', [5]],
  ['identity', []],
  ['channel', [1, 5]],
  ['lane', [1, PAYEE, 5]],
  ['payeeId', [PAYEE, 5]],
  ['nonceAt', [5]],
];

const call = (l2: L2, method: keyof L2, args: unknown[]): Promise<unknown> =>
  (l2[method] as (...args: unknown[]) => Promise<unknown>)(...args);

for (const [method, args] of ANY)
  test(`${method}(${args.length}): the first node that is there answers`, async () => {
    const nodes = [new Node(away), new Node((name) => `of ${name}`), new Node(() => 'the third')];
    const l2 = agreeing(nodes.map(({ port }) => port));
    assert.is(await call(l2, method, args), `of ${method}`);
    assert.equal(
      nodes.map(({ asked }) =>
        asked.map(([name, given]) => [name, given.filter((one) => one !== undefined)]),
      ),
      [[[method, args]], [[method, args]], []],
    );
    const gone = agreeing([new Node(away).port, new Node(away).port]);
    assert.is(await call(gone, method, args).catch(({ code }) => code), 'l2_away');
  });

for (const [method, args] of SAME)
  test(`${method}(${args.length}) at a block: all that are there say the same`, async () => {
    const nodes = [new Node(() => 'one story'), new Node(away), new Node(() => 'one story')];
    assert.is(await call(agreeing(nodes.map(({ port }) => port)), method, args), 'one story');
    for (const { asked } of nodes) assert.equal(asked, [[method, args]]);
    const other = agreeing([nodes[0]!.port, new Node(() => 'another').port]);
    assert.is(await call(other, method, args).catch(({ code }) => code), 'l2_disagrees');
  });

test('a transaction goes to every node', async () => {
  const nodes = [new Node(() => undefined), new Node(away), new Node(() => undefined)];
  await agreeing(nodes.map(({ port }) => port)).submit(PAYEE);
  for (const { asked } of nodes) assert.equal(asked, [['submit', [PAYEE]]]);
});

test.run();

/**
 * What a proxy decides: the same seed hits the same messages whatever else happens, shares are kept, files that are wrong
 * are refused by field. Not checked here: links and devices (live.test.ts).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeFrame } from '../../device/links/framing.ts';
import { SundialError } from '../../protocol/errors.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { Pair, type Passed } from '../../simulators/proxy/pair.ts';
import { apartLine, headLine, messageLine, readRecord, rulesOf } from '../../simulators/proxy/record.ts';
import { type End, type Fate, Faults, readScript, type Rule } from '../../simulators/proxy/rules.ts';

const fates = (seed: number, rules: readonly Rule[], taps = 400): Fate[] => {
  const faults = new Faults(seed, rules);
  return Array.from({ length: taps }, (_, tap) =>
    faults.fateOf({ tap: tap + 1, from: 'payer', number: 1, nth: 1, name: 'voucher' }),
  );
};

test('the same seed hits the same messages, another seed others', () => {
  const rules: Rule[] = [
    { do: 'drop', percent: 20 },
    { do: 'delay', ms: [0, 500] },
  ];
  assert.equal(fates(7, rules), fates(7, rules));
  assert.not.equal(fates(7, rules), fates(8, rules));
});

test('a message keeps its fate whatever was said before it', () => {
  const rules: Rule[] = [{ do: 'drop', percent: 30 }];
  const [quiet, busy] = [new Faults(3, rules), new Faults(3, rules)];
  for (let number = 1; number < 50; number++)
    busy.fateOf({ tap: 1, from: 'terminal', number, nth: number, name: 'request' });
  for (let number = 1; number < 50; number++) {
    const passing = { tap: 1, from: 'payer', number, nth: number } as const;
    assert.equal(quiet.fateOf(passing), busy.fateOf(passing));
  }
});

test('shares are kept, up to all and down to none', () => {
  const dropped = (percent: number) =>
    fates(1, [{ do: 'drop', percent }], 10_000).filter(({ copies }) => copies === 0).length;
  assert.is(dropped(0), 0);
  assert.is(dropped(100), 10_000);
  assert.ok(Math.abs(dropped(5) - 500) < 80, `${dropped(5)} of 10,000`);
});

test('a rule names end, message, tap and number; a cut happens once where no tap is named', () => {
  const one = (rule: Rule, from: End, name: string, tap = 1, number = 1) =>
    new Faults(1, [rule]).fateOf({ tap, from, number, nth: 1, name });
  assert.is(one({ do: 'drop', from: 'payer' }, 'terminal', 'receipt').copies, 1);
  assert.is(one({ do: 'drop', message: 'receipt' }, 'terminal', 'voucher').copies, 1);
  assert.is(one({ do: 'drop', tap: 2 }, 'payer', 'voucher').copies, 1);
  assert.is(one({ do: 'drop', number: 2 }, 'payer', 'voucher').copies, 1);
  assert.is(
    one({ do: 'drop', from: 'payer', message: 'voucher', tap: 2, number: 1 }, 'payer', 'voucher', 2, 3)
      .copies,
    0,
    'the first voucher, although two other messages came before it',
  );
  assert.is(fates(1, [{ do: 'cut', message: 'voucher' }]).filter(({ cut }) => cut === 'before').length, 1);
  assert.is(fates(1, [{ do: 'drop', times: 3 }]).filter(({ copies }) => copies === 0).length, 3);
});

test('rules add up', () => {
  const rules: Rule[] = [
    { do: 'dup' },
    { do: 'dup' },
    { do: 'delay', ms: 10 },
    { do: 'delay', ms: 5 },
    { do: 'cutAfter', tap: 1 },
    { do: 'garble' },
  ];
  const [fate] = fates(1, rules, 1);
  assert.equal(fate, { copies: 4, garbled: true, delayMs: 15, cut: 'after' });
});

test('a script that is wrong is refused by field', () => {
  const refused = (value: unknown, what: RegExp) => {
    try {
      readScript(value, 'faults.json');
    } catch (error) {
      assert.instance(error, SundialError);
      assert.match((error as SundialError).message, what);
      return;
    }
    assert.unreachable(`taken: ${JSON.stringify(value)}`);
  };
  refused({}, /version/);
  refused({ version: 1, rules: [{ do: 'explode' }] }, /rules\.0\.do/);
  refused({ version: 1, rules: [{ do: 'drop', message: 'cheque' }] }, /rules\.0\.message/);
  refused({ version: 1, rules: [{ do: 'drop', percent: 101 }] }, /rules\.0\.percent/);
  refused({ version: 1, rules: [{ do: 'delay' }] }, /rules\.0/);
  refused({ version: 1, rules: [{ do: 'drop', ms: 5 }] }, /rules\.0/);
  refused({ version: 1, rules: Array.from({ length: 65 }, () => ({ do: 'drop' })) }, /rules/);
  assert.is(
    readScript({ version: 1, rules: Array.from({ length: 64 }, () => ({ do: 'drop' })) }, 'f').rules.length,
    64,
  );
});

/** A pair whose links are lists, on a clock in hand. */
function onTheTable(rules: readonly Rule[]) {
  let now = 0;
  const due: { at: number; act: () => void }[] = [];
  const clock = {
    monotonicMs: () => now,
    schedule: (delayMs: number, act: () => void) => {
      const one = { at: now + delayMs, act };
      due.push(one);
      return () => void due.splice(due.indexOf(one), due.includes(one) ? 1 : 0);
    },
  };
  const passed: Passed[] = [];
  let apart: string | undefined;
  const pair = new Pair({
    tap: 1,
    clock,
    faults: new Faults(1, rules),
    partMs: 2000,
    onPassed: (one) => passed.push(one),
    onApart: (why) => {
      apart = why;
    },
  });
  const got = { payer: [] as Uint8Array[], terminal: [] as Uint8Array[] };
  const ends: Partial<Record<End, { say(bytes: Uint8Array): void; go(): void }>> = {};
  const closed = new Set<End>();
  const join = (end: End) =>
    pair.join(end, {
      frameSizeMax: 1000,
      send: (bytes) => got[end].push(bytes),
      receive: (say, go) => {
        ends[end] = { say, go };
      },
      close: () => closed.add(end),
    });
  const pass = (ms: number) => {
    const until = now + ms;
    for (;;) {
      due.sort((a, b) => a.at - b.at);
      if (due.length === 0 || due[0]!.at > until) break;
      const next = due.shift()!;
      now = next.at;
      next.act();
    }
    now = until;
  };
  return { pair, join, ends, got, passed, closed, pass, why: () => apart };
}

const hello = encodeFrame(encodeMessage({ type: 'refusal', code: 1 } as never));

test('what is said before the other device is there reaches it, whole and in order', () => {
  const { join, ends, got, passed } = onTheTable([]);
  join('payer');
  ends.payer!.say(hello.subarray(0, 3));
  ends.payer!.say(hello.subarray(3));
  ends.payer!.say(hello);
  join('terminal');
  assert.is(got.terminal.length, 2);
  assert.equal(got.terminal[0], hello);
  assert.equal(
    passed.map(({ number }) => number),
    [1, 2],
  );
});

test('delays keep the order of an end, and a lost message parts the devices after a silence', () => {
  const { join, ends, got, pass, closed, why } = onTheTable([
    { do: 'delay', ms: 100, number: 1 },
    { do: 'drop', number: 3 },
  ]);
  join('payer');
  join('terminal');
  ends.payer!.say(hello);
  ends.payer!.say(hello);
  assert.is(got.terminal.length, 0);
  pass(99);
  assert.is(got.terminal.length, 0);
  pass(1);
  assert.is(got.terminal.length, 2);
  ends.payer!.say(hello);
  assert.is(got.terminal.length, 2);
  pass(1999);
  assert.is(why(), undefined);
  pass(1);
  assert.match(why()!, /lost/);
  assert.equal(closed, new Set(['payer', 'terminal']));
});

test('a cut before and a cut after; a garbled frame is thrown away by its sum', () => {
  const before = onTheTable([{ do: 'cut', number: 1 }]);
  before.join('payer');
  before.join('terminal');
  before.ends.payer!.say(hello);
  assert.is(before.got.terminal.length, 0);
  assert.match(before.why()!, /before/);
  const after = onTheTable([{ do: 'cutAfter', number: 1 }, { do: 'garble' }]);
  after.join('payer');
  after.join('terminal');
  after.ends.payer!.say(hello);
  assert.is(after.got.terminal.length, 1);
  assert.not.equal(after.got.terminal[0], hello);
  assert.is(after.got.terminal[0]!.indexOf(0), hello.length - 1);
  assert.match(after.why()!, /after/);
});

test('what waits has a bound: 256 messages', () => {
  const { join, ends, why } = onTheTable([{ do: 'delay', ms: 1000 }]);
  join('payer');
  join('terminal');
  for (let i = 0; i < 256; i++) ends.payer!.say(hello);
  assert.is(why(), undefined);
  ends.payer!.say(hello);
  assert.match(why()!, /too much/);
});

test('what a device said before it went is late, not lost', () => {
  const { join, ends, got, why, pass } = onTheTable([{ do: 'delay', ms: 1000, from: 'terminal' }]);
  join('payer');
  join('terminal');
  ends.terminal!.say(hello);
  ends.terminal!.go();
  assert.is(why(), undefined);
  ends.payer!.say(hello);
  assert.is(got.terminal.length, 0, 'nobody is there to hear it');
  pass(1000);
  assert.is(got.payer.length, 1);
  assert.match(why()!, /terminal went/);
});

test('a record is read back, and its rules do the same again', () => {
  const rules: Rule[] = [
    { do: 'drop', number: 2 },
    { do: 'dup', number: 1 },
    { do: 'delay', ms: 7, number: 3 },
    { do: 'cutAfter', number: 4, tap: 1 },
  ];
  const run = (of: readonly Rule[]) => {
    const table = onTheTable(of);
    table.join('payer');
    table.join('terminal');
    for (let i = 0; i < 4; i++) table.ends.payer!.say(hello);
    table.pass(100);
    return table;
  };
  const first = run(rules);
  const text = [
    headLine(new Faults(1, rules)),
    ...first.passed.map(messageLine),
    apartLine(1, first.why()!),
  ].join('\n');
  const said = readRecord(text, 'tap.jsonl');
  assert.is(said.length, 4);
  assert.is(said[0]!.name, 'refusal');
  const again = run(rulesOf(said));
  assert.equal(
    again.passed.map(({ fate }) => fate),
    first.passed.map(({ fate }) => fate),
  );
  assert.is(again.why(), first.why());
  for (const wrong of ['', '{}', `${text}\nnonsense`, `${text}\n{"tap":1}`])
    assert.throws(
      () => readRecord(wrong, 'x'),
      (error: SundialError) => error.code === 'bad_record',
    );
});

test.run();

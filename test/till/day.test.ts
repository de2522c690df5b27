/**
 * `npm run till` with a small count, and its oracle: whatever a till, a hub or a customer would get wrong is told.
 *
 * Not checked here: 200 sales and 20 kills (the command's own default).
 */
import { execFile } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drawDay } from '../../simulators/till/draw.ts';
import { type Evidence, judge } from '../../simulators/till/oracle.ts';

/** A dozen processes start one after the other, several of them more than once. */
const DAY_MS = 15 * 60_000;

test('npm run till -- --seed 7 --sales 8 --kills 3 --json', async () => {
  const args = ['tools/till.mjs', '--seed', '7', '--sales', '8', '--kills', '3', '--json'];
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) =>
    execFile(process.execPath, args, { timeout: DAY_MS, maxBuffer: 1 << 24 }, (_, out, err) =>
      resolve({ stdout: out, stderr: err }),
    ),
  );
  assert.ok(stdout !== '', stderr);
  const { refunds, cleared, ...day } = JSON.parse(stdout);
  assert.equal(
    day,
    { ok: true, sales: 8, kills: 3, lost: 0, doubled: 0, zReportEqualsHub: true },
    `${stdout}${stderr}`,
  );
  assert.ok(refunds >= 0 && cleared >= 1);
});

test('a seed draws one day, with every kind of sale and of kill', () => {
  const how = { sales: 200, kills: 20, tills: 3, customers: 6 };
  assert.equal(drawDay(5, how), drawDay(5, how));
  for (const seed of [1, 2, 3, 4, 5]) {
    const sales = drawDay(seed, how)
      .flat(2)
      .flatMap((visit) => visit.sales);
    assert.equal(
      sales.map(({ number }) => number).sort((a, b) => a - b),
      Array.from({ length: 200 }, (_, index) => index),
    );
    const kills = sales.flatMap(({ kill, refund }) => kill ?? refund?.kill ?? []);
    assert.is(kills.length, 20);
    for (const kind of [
      sales.some(({ tip }) => tip > 0),
      sales.some(({ captured }) => captured !== undefined),
      sales.some(({ clears }) => clears),
      sales.some(({ cents, tip }) => cents !== undefined && tip > 0),
      sales.some(({ cents }) => cents?.captured !== undefined),
      sales.some(({ refund }) => refund !== undefined && refund.part === undefined),
      sales.some(({ refund }) => refund?.part !== undefined),
      kills.some(({ whom }) => whom === 'till'),
    ])
      assert.ok(kind);
  }
});

const payment = {
  id: '0xaa',
  state: 'settled',
  amount: 100,
  credited: 30,
  terminal: '0x01',
  channel: 7,
};
const right: Evidence = {
  told: [
    { order: '1', key: 'a', till: 0, state: 'failed', total: 100, back: 0 },
    {
      order: '1',
      key: 'b',
      till: 0,
      state: 'approved',
      total: 100,
      voucher: '0xaa',
      cleared: false,
      back: 30,
    },
  ],
  payments: [payment, { ...payment, id: '0xbb', state: 'void', credited: 100 }],
  customers: [{ channel: 7, spent: 200, unconfirmed: 0 }],
  tills: [
    {
      address: '0x01',
      reports: [
        {
          sales: { count: 1, sum: 100 },
          refunds: { count: 1, sum: 20 },
          released: { sum: 10 },
          cleared: { count: 0 },
          net: 70,
          priced: {},
        },
      ],
    },
  ],
  ends: [
    { till: 0, sale: '1' },
    { till: 0, sale: '2' },
  ],
};

test('the oracle finds a right day right, and each thing that is wrong', () => {
  const { troubles, ...found } = judge(right);
  assert.equal([found, troubles], [{ lost: 0, doubled: 0, zReportEqualsHub: true }, []]);
  const [failed, approved] = right.told;
  const till = right.tills[0]!;
  const report = till.reports[0]!;
  const wrong: readonly (readonly [Partial<Evidence>, 'lost' | 'doubled' | 'report'])[] = [
    [{ payments: right.payments.slice(1) }, 'lost'],
    [{ payments: [{ ...payment, amount: 99 }, right.payments[1]!] }, 'lost'],
    [{ payments: [{ ...payment, credited: 29 }, right.payments[1]!] }, 'lost'],
    [{ payments: [{ ...payment, credited: 31 }, right.payments[1]!] }, 'doubled'],
    [{ payments: [...right.payments, { ...payment, id: '0xcc' }] }, 'doubled'],
    [{ payments: [payment, { ...payment, id: '0xbb' }] }, 'doubled'],
    [{ told: [failed!, approved!, { ...approved!, order: '2' }] }, 'doubled'],
    [{ told: [failed!, approved!, { ...approved!, voucher: '0xdd' }] }, 'doubled'],
    [{ told: [failed!, { ...approved!, cents: 1 }] }, 'lost'],
    [{ told: [failed!, { ...approved!, cents: 0 }] }, 'doubled'],
    [{ tills: [{ ...till, reports: [{ ...report, priced: { EUR: { count: 1, sum: 7 } } }] }] }, 'report'],
    [{ customers: [{ channel: 7, spent: 201, unconfirmed: 0 }] }, 'lost'],
    [{ customers: [{ channel: 7, spent: 199, unconfirmed: 0 }] }, 'doubled'],
    [{ customers: [{ channel: 7, spent: 200, unconfirmed: 1 }] }, 'lost'],
    [{ ends: [...right.ends, right.ends[0]!] }, 'doubled'],
    [{ tills: [{ ...till, reports: [] }] }, 'report'],
    [{ tills: [{ ...till, reports: [{ ...report, net: 71 }] }] }, 'report'],
    [{ tills: [{ ...till, reports: [{ ...report, cleared: { count: 1 } }] }] }, 'report'],
  ];
  for (const [change, kind] of wrong) {
    const { lost, doubled, zReportEqualsHub, troubles: words } = judge({ ...right, ...change });
    const seen = { lost: lost > 0, doubled: doubled > 0, report: !zReportEqualsHub }[kind];
    assert.ok(seen && words.length > 0, `${kind}: ${JSON.stringify(change)}`);
  }
});

test.run();

/**
 * One connector's machine: who pays, how much, when energy is to end, and what a cut leaves. Not checked here: messages of
 * OCPP (gateway.test.ts), what a real terminal takes (npm run plug).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ARREARS_WAIT,
  AWAITED_MAX,
  FREE_WAIT,
  OFFER_WAIT,
  SHOWN_WAIT,
  START_QUIET,
  START_WAIT,
  TRIES_MAX,
} from '../../hardware/boards/node/ocpp/plug.ts';
import { paidOf } from '../../hardware/boards/node/ocpp/session.ts';
import { amount } from '../../protocol/integers.ts';
import { numbersFrom } from '../../simulators/stage/flash/ram-flash.ts';
import { plainPrice, priceUsed, TARIFF, TICK, World } from './world.ts';

function charging(wh = 0): World {
  const world = new World();
  world.tell({ type: 'online' }, { type: 'payerHere' });
  world.start(wh);
  return world;
}

test('whoever plugs in pays, the charge point is started, and the last partial tick comes back', () => {
  const world = new World();
  world.tell({ type: 'online' }, { type: 'payerHere' });
  assert.equal(world.did, ['offer', 'start']);
  const start = world.effects.find((effect) => effect.type === 'start');
  assert.ok(start?.type === 'start' && start.token.length <= 20);
  world.start(5000);
  for (const wh of [5040, 5140, 5333]) {
    world.now += 10;
    world.tell({ type: 'reading', at: world.now, wh });
    assert.ok(paidOf(world.state.session!) >= plainPrice(wh - 5000), 'energy that is not paid');
    assert.ok(paidOf(world.state.session!) <= plainPrice(wh - 5000) + TICK, 'more than a tick ahead');
  }
  world.tell({ type: 'ended', at: world.now, wh: 5334, reason: 'Local' });
  const [session] = world.closed;
  assert.is(paidOf(session!), plainPrice(334));
  assert.is(session!.ended?.reason, 'Local');
  assert.is(world.stored, undefined);
  assert.is(world.did.at(-1), 'close');
});

test('nothing is saved after what follows from it', () => {
  const world = charging();
  world.tell({ type: 'reading', at: world.now, wh: 250 });
  const types = world.effects.map(({ type }) => type);
  for (const after of ['offer', 'start', 'delivered'] as const)
    assert.is(types[types.indexOf(after) - 1] === 'save' || after === 'delivered', true, after);
});

test('nobody is asked while the charge point is away, reserved or out of order', () => {
  for (const status of ['reserved', 'unavailable'] as const) {
    const world = new World();
    world.tell({ type: 'online' }, { type: 'status', status }, { type: 'payerHere' });
    assert.equal(world.did, []);
    world.tell({ type: 'status', status: 'plugged' });
    assert.equal(world.did, ['offer', 'start']);
  }
  const world = new World();
  world.tell({ type: 'payerHere' });
  assert.equal(world.did, []);
  world.tell({ type: 'online' });
  assert.equal(world.did, ['offer', 'start']);
});

test('a token that is shown is for the charge point to start with; without one it is told to', () => {
  const world = new World();
  world.tell({ type: 'online' }, { type: 'authorize' });
  world.now += SHOWN_WAIT - 1;
  world.tell({ type: 'payerHere' });
  assert.equal(world.did, ['offer']);
  const late = new World();
  late.tell({ type: 'online' }, { type: 'authorize' });
  late.now += SHOWN_WAIT;
  late.tell({ type: 'payerHere' });
  assert.equal(late.did, ['offer', 'start']);
});

test('a charge point that was away when it was told to start is told again', () => {
  const world = new World();
  world.tell({ type: 'online' }, { type: 'payerHere' }, { type: 'offline' });
  // Its stream was opened when the charge point was gone.
  world.pass(40);
  assert.equal(world.did, ['offer']);
  world.tell({ type: 'online' });
  assert.equal(world.did, ['offer', 'start']);
  world.pass(40);
  assert.equal(world.did, ['offer', 'start', 'start']);
  world.start();
  world.pass(40);
  assert.is(world.did.length, 3);
});

test('when ticks stop the charge point is asked to stop, again and again', () => {
  const world = charging();
  world.tell({ type: 'reading', at: world.now, wh: 150 });
  world.willing = false;
  world.tell({ type: 'reading', at: world.now, wh: 900 });
  world.pass(ARREARS_WAIT - 1);
  assert.not.ok(world.did.includes('stop'));
  world.pass(1);
  assert.is(world.did.at(-1), 'stop');
  world.pass(60);
  assert.is(world.did.filter((type) => type === 'stop').length, 3);
  world.tell({ type: 'ended', at: world.now, wh: 950, reason: 'Remote' });
  world.pass(ARREARS_WAIT + 1);
  assert.is(world.closed.length, 1);
  assert.is(paidOf(world.closed[0]!), 2 * TICK);
});

test('a car that drives off ends the energy at once, and owes what flowed since its last tick', () => {
  const world = charging();
  world.tell({ type: 'reading', at: world.now, wh: 120 }, { type: 'payerGone' });
  world.stream.live = false;
  world.tell({ type: 'sessionOver', reason: 'link_lost' });
  assert.is(world.did.at(-1), 'stop');
  world.tell({ type: 'ended', at: world.now, wh: 480, reason: 'Remote' });
  assert.is(paidOf(world.closed[0]!), 2 * TICK);
});

test('the driver ends it, before and after the charge point started', () => {
  const world = charging();
  world.tell({ type: 'reading', at: world.now, wh: 120 }, { type: 'endWanted' });
  assert.is(world.did.at(-1), 'stop');
  world.tell({ type: 'ended', at: world.now, wh: 130, reason: 'Remote' });
  assert.is(paidOf(world.closed[0]!), plainPrice(130));
  const early = new World();
  early.tell({ type: 'online' }, { type: 'payerHere' }, { type: 'endWanted' });
  assert.is(paidOf(early.closed[0]!), 0);
});

test('a paid stream that nothing is started for is given back', () => {
  const world = new World();
  world.tell({ type: 'online' }, { type: 'payerHere' });
  world.pass(START_WAIT);
  assert.is(world.closed.length, 1);
  assert.is(paidOf(world.closed[0]!), 0);
  assert.is(world.stream.credited, TICK);
});

test('a pause, and an hour of 0 W, end nothing', () => {
  const world = charging();
  world.tell({ type: 'reading', at: world.now, wh: 50 });
  world.pass(3600);
  world.tell({ type: 'reading', at: world.now, wh: 50 });
  assert.not.ok(world.did.includes('stop'));
  world.tell({ type: 'reading', at: world.now, wh: 400 });
  assert.ok(paidOf(world.state.session!) >= plainPrice(400));
});

test('whoever starts with nobody to pay is stopped, unless that is allowed', () => {
  const world = new World();
  world.tell({ type: 'online' });
  world.start();
  assert.equal(world.did, ['stop']);
  const free = new World({ unpaid: true });
  free.tell({ type: 'online' });
  free.start();
  free.tell({ type: 'ended', at: free.now, wh: 700, reason: 'Local' });
  assert.equal(free.did, ['close']);
  assert.is(priceUsed(free.closed[0]!), plainPrice(700));
  assert.is(paidOf(free.closed[0]!), 0);
});

test('who was called to pay is waited for, not longer', () => {
  const begin = (): World => {
    const world = new World();
    world.tell({ type: 'online' });
    world.start(0, { awaited: true });
    world.pass(5);
    world.tell({ type: 'reading', at: world.now, wh: 20, flowing: true });
    assert.equal(world.did, [], 'it flows, and somebody is on the way');
    return world;
  };
  const comes = begin();
  comes.tell({ type: 'payerHere' });
  comes.tell({ type: 'reading', at: comes.now, wh: 400 });
  comes.tell({ type: 'nobodyCame' });
  assert.not.ok(comes.did.includes('stop'));
  assert.ok(paidOf(comes.state.session!) >= plainPrice(400), 'and pays from the first watt-hour on');

  const nobody = begin();
  nobody.tell({ type: 'nobodyCame' });
  assert.equal(nobody.did, ['stop']);

  const never = begin();
  never.pass(AWAITED_MAX);
  assert.equal(never.did, ['stop'], 'it was never said that nobody came');
});

test('plugged in and nothing flowing: a payer may still come', () => {
  const world = new World();
  world.tell({ type: 'online' });
  world.start(0, { flowing: false });
  world.pass(1000);
  assert.equal(world.did, []);
  world.tell({ type: 'payerHere' });
  assert.equal(world.did, ['offer']);
});

test('a payer who does not want to is not asked again and again', () => {
  const world = new World();
  world.willing = false;
  world.tell({ type: 'online' }, { type: 'payerHere' });
  for (let second = 0; second < 200; second++) {
    if (world.did.at(-1) === 'offer') world.tell({ type: 'refused', code: 'lease_missing' });
    world.pass(1);
  }
  assert.is(world.did.filter((type) => type === 'offer').length, TRIES_MAX);
  assert.is(world.state.session, undefined);
  assert.equal(world.closed.length, TRIES_MAX);
  // Its lease came meanwhile.
  world.willing = true;
  world.tell({ type: 'authorize' });
  assert.ok(world.state.live);
});

test('a gateway that is killed goes on with the car that is still there', () => {
  const world = charging(100);
  world.tell({ type: 'reading', at: world.now, wh: 130 });
  const before = paidOf(world.state.session!);
  world.restart();
  world.tell({ type: 'online' }, { type: 'payerHere' });
  // What was paid and not used is given back before another stream begins: only the newest can be credited.
  assert.is(world.did.filter((type) => type === 'credit').length, 1);
  world.tell(
    { type: 'reading', at: world.now, wh: 480 },
    { type: 'ended', at: world.now, wh: 500, reason: 'Local' },
  );
  assert.ok(before > 0);
  assert.is(paidOf(world.closed[0]!), plainPrice(400));
  assert.is(world.closed[0]!.streams.length, 2);
});

test('a car that stayed after its session is not asked again because the gateway was killed', () => {
  const world = charging();
  world.tell({ type: 'ended', at: world.now, wh: 100, reason: 'Local' });
  world.restart();
  world.effects.length = 0;
  world.tell({ type: 'payerHere' }, { type: 'online' }, { type: 'status', status: 'plugged' });
  world.pass(300);
  assert.equal(world.did, []);
  world.tell({ type: 'status', status: 'available' }, { type: 'status', status: 'plugged' });
  assert.equal(world.did, ['offer', 'start']);
});

test('whoever plugged in just before the gateway was killed is asked when it is back', () => {
  for (const first of ['payerHere', 'plugged'] as const) {
    const world = new World();
    world.tell(
      { type: 'online' },
      { type: 'status', status: 'available' },
      { type: 'status', status: 'plugged' },
    );
    world.restart();
    const here = { type: 'payerHere' } as const;
    const plugged = { type: 'status', status: 'plugged' } as const;
    world.tell({ type: 'online' }, ...(first === 'payerHere' ? [here, plugged] : [plugged, here]));
    assert.equal(world.did, ['offer', 'start'], first);
  }
});

test('what ended while the gateway was away is collected from the car that comes back', () => {
  const world = charging();
  world.tell({ type: 'reading', at: world.now, wh: 150 });
  world.restart();
  world.tell({ type: 'online' }, { type: 'ended', at: world.now, wh: 610, reason: 'EVDisconnected' });
  world.pass(5);
  assert.is(world.closed.length, 0);
  world.tell({ type: 'payerHere' });
  world.pass(5);
  assert.is(paidOf(world.closed[0]!), plainPrice(610));
  const left = charging();
  left.tell({ type: 'reading', at: left.now, wh: 150 });
  left.restart();
  left.tell({ type: 'online' }, { type: 'ended', at: left.now, wh: 610, reason: 'EVDisconnected' });
  left.pass(START_QUIET);
  assert.is(paidOf(left.closed[0]!), 2 * TICK);
  left.tell({ type: 'payerHere' });
  assert.is(left.state.session?.transaction, undefined, 'nobody else pays for it');
});

test('killed anywhere, what was used is what is paid while the payer stays', () => {
  const next = numbersFrom(5);
  for (let i = 0; i < 400; i++) {
    const world = charging(1000);
    let wh = 1000;
    for (let step = 0; step < 12; step++) {
      world.now += 1 + (next() % 40);
      const kind = next() % 8;
      if (kind === 0) {
        world.restart();
        world.tell({ type: 'online' }, { type: 'payerHere' });
      } else if (kind === 1) world.tell({ type: 'clock' });
      else if (kind === 2) world.tell({ type: 'offline' }, { type: 'online' });
      else {
        wh += next() % 700;
        world.tell({ type: 'reading', at: world.now, wh });
      }
      const { session } = world.state;
      if (session === undefined) throw new Error('a session that runs is gone');
    }
    world.tell({ type: 'ended', at: world.now, wh, reason: 'Local' });
    world.pass(ARREARS_WAIT + OFFER_WAIT);
    assert.is(world.closed.length, 1, `run ${i}`);
    assert.is(paidOf(world.closed[0]!), plainPrice(wh - 1000), `run ${i}`);
  }
});

test('a charge point that lost a transaction and begins another', () => {
  const world = charging();
  world.tell({ type: 'reading', at: world.now, wh: 150 });
  world.start(150, { key: 'b' });
  assert.is(world.closed.length, 1);
  assert.is(world.closed[0]!.ended?.reason, 'lost');
  world.start(150, { key: 'b' });
  assert.is(world.closed.length, 1, 'told again, it is the same');
});

test('a connector that is free has no transaction any more', () => {
  const world = charging();
  world.tell({ type: 'reading', at: world.now, wh: 150 }, { type: 'status', status: 'available' });
  world.pass(FREE_WAIT - 1);
  assert.is(world.closed.length, 0);
  world.pass(1);
  assert.is(world.closed[0]!.ended?.reason, 'gone');
  assert.is(paidOf(world.closed[0]!), plainPrice(150));
});

test('a change of the tariff touches no session that runs', () => {
  const world = charging();
  world.context = { ...world.context, tariff: { ...TARIFF, start: amount(9_000_000) } };
  world.tell({ type: 'ended', at: world.now, wh: 300, reason: 'Local' });
  assert.is(paidOf(world.closed[0]!), plainPrice(300));
  world.tell({ type: 'payerHere' });
  world.start(300, { key: 'b' });
  assert.is(priceUsed(world.state.session!), 9_000_000);
});

test('a terminal that can give no credit now gives it later', () => {
  const world = charging();
  world.takesCredit = false;
  world.tell({ type: 'ended', at: world.now, wh: 130, reason: 'Local' });
  world.pass(5);
  assert.is(world.closed.length, 0);
  world.takesCredit = true;
  world.pass(1);
  assert.is(paidOf(world.closed[0]!), plainPrice(130));
});

test('what is said during a session begins no other one', () => {
  const world = charging();
  world.tell(
    { type: 'status', status: 'available' },
    { type: 'status', status: 'plugged' },
    { type: 'authorize' },
  );
  world.tell({ type: 'payerGone' }, { type: 'payerHere' });
  world.tell({ type: 'ended', at: world.now, wh: 130, reason: 'Local' }, { type: 'streamClosed' });
  world.pass(60);
  assert.is(world.closed.length, 1);
  assert.is(world.did.filter((type) => type === 'offer').length, 1);
});

test('the next stream is asked for when the last one is closed', () => {
  const world = charging();
  world.tell({ type: 'ended', at: world.now, wh: 130, reason: 'Local' });
  world.effects.length = 0;
  world.tell({ type: 'status', status: 'available' }, { type: 'status', status: 'plugged' });
  assert.equal(world.did, []);
  world.tell({ type: 'streamClosed' });
  assert.equal(world.did, ['offer', 'start']);
});

test('a chain that is used up is followed by another', () => {
  const world = charging();
  world.tell({ type: 'reading', at: world.now, wh: 250 });
  world.stream.live = false;
  world.tell({ type: 'sessionOver', reason: 'used_up' });
  assert.is(world.state.session!.streams.length, 2);
  world.tell({ type: 'ended', at: world.now, wh: 610, reason: 'Local' });
  assert.is(paidOf(world.closed[0]!), plainPrice(610));
});

test.run();

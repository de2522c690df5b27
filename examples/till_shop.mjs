// A shop's test with sundial/testing: everything in this process, in virtual time. Run: node examples/till_shop.mjs
import assert from 'node:assert/strict';
import { openWorld } from 'sundial/testing';

const world = await openWorld({ seed: 7, wearables: 2, tills: 1, deposit: 200 });
const [ann, ben] = world.wearables;
const [till] = world.tills;

// Offline, on a bad radio, with a wearable that loses its power before it signs.
world.radio({ loss: 30, duplicate: 30 });
ann.powerOffBefore('sign');
assert.equal((await till.sell('3.50', ann)).outcome, 'nothing');
ann.powerOn();
assert.equal((await till.sell('3.50', ann)).outcome, 'paid');
assert.equal((await till.sell('2.00', ben)).outcome, 'paid');
world.radio({});

// Above what its lease allows for one tap; and four days later the lease has run out.
assert.deepEqual(await till.sell('66.00', ben), { outcome: 'refused', code: 'over_tap_limit', by: 'peer' });
await world.advance({ days: 4 });
assert.equal((await till.sell('2.00', ben)).outcome, 'refused');

// The network comes back, the hub dies on the way, and L2 pays the merchant.
till.network(true);
world.crashHub();
await world.advance({ hours: 2 });
assert.ok(till.waiting > 0);
world.startHub();
await world.settle();
assert.equal(till.waiting, 0);
assert.equal(till.settled, 5_500_000);
console.log('paid once each, settled on L2: 5.50');

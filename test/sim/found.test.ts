/** Regressions of what the simulator found, each named by its symptom; and the bugs that are planted can be planted. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { applyRecord, EMPTY_TERMINAL, type TerminalRecord } from '../../protocol/machines/terminal/books.ts';
import type { TerminalSettings } from '../../protocol/machines/terminal/state.ts';
import { terminalAfterPowerUp, terminalStep } from '../../protocol/machines/terminal/terminal.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import plants from '../../simulators/checkers/plants.json' with { type: 'json' };
import { HubRoot } from '../../simulators/fleet/hub-root.ts';
import { Random } from '../../simulators/stage/world/random.ts';
import { standInSuite } from '../../simulators/stage/world/suite.ts';
import { START_SECONDS } from '../../simulators/stage/world/world.ts';

test('a terminal goes on uploading after acknowledgements that come when its outbox is empty', () => {
  const suite = standInSuite();
  const signing = makeSigning(suite, { chainId: 1, vault: new Uint8Array(20) });
  const hub = suite.key(new Uint8Array(32).fill(1));
  const self = suite.key(new Uint8Array(32).fill(2)).address;
  const settings = { outboxMax: 8, lanesMax: 8, capTotal: 1, payee: self } as unknown as TerminalSettings;
  const certified = { address: hub.address, from: 0, until: 2_000_000_000, epoch: 0, signedAt: 0 };
  const books = applyRecord(EMPTY_TERMINAL, { type: 'hubKey', ...certified } as TerminalRecord);
  const entry = new Uint8Array(32).fill(7);
  const start = terminalAfterPowerUp(books);
  const uploadedTicks = [{ stream: new Uint8Array(32).fill(3), k: 1, entry }];
  const state = { ...start, volatile: { ...start.volatile, hubConnected: true, uploadedTicks } };
  const fields = { entry, position: 1 as never, at: 1 as never };
  const signature = hub.sign(signing.digest('Acknowledgement', fields));
  const message = { type: 'acknowledgement', ...fields, signature } as const;
  const step = terminalStep({ signing, self }, settings, state, { type: 'hubMessage', message }, 1000);
  assert.ok(step.effects.some((effect) => effect.type === 'notify' && effect.notice.type === 'acknowledged'));
  // Below zero, the next upload would begin before the outbox does and hold nothing.
  assert.is(step.state.volatile.inFlight, 0);
});

test('a hub whose nodes are hours behind when it starts has a key for that time', () => {
  const suite = standInSuite();
  const signing = makeSigning(suite, { chainId: 1, vault: new Uint8Array(20) });
  const root = new HubRoot(suite, new Random(1), signing, 9, 5 * 3600);
  const { key } = root.identity;
  assert.ok(key.from <= START_SECONDS - 12 * 3600);
  assert.is(key.until, START_SECONDS + 9 * 3600);
});

test('the line that each planted bug breaks stands exactly once', () => {
  for (const { name, file, find } of plants)
    assert.is(readFileSync(file, 'utf8').split(find).length - 1, 1, `${name} in ${file}`);
});

test.run();

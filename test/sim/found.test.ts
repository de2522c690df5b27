/** Regressions of what the simulator found, each named by its symptom; and the bugs that are planted can be planted. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EMPTY_TERMINAL } from '../../protocol/machines/terminal/books.ts';
import type { TerminalSettings } from '../../protocol/machines/terminal/state.ts';
import { terminalAfterPowerUp, terminalStep } from '../../protocol/machines/terminal/terminal.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import plants from '../../simulators/checkers/plants.json' with { type: 'json' };
import { standInSuite } from '../../simulators/stage/world/suite.ts';

test('a terminal goes on uploading after acknowledgements that come when its outbox is empty', () => {
  const suite = standInSuite();
  const signing = makeSigning(suite, { chainId: 1, vault: new Uint8Array(20) });
  const hub = suite.key(new Uint8Array(32).fill(1));
  const self = suite.key(new Uint8Array(32).fill(2)).address;
  const settings = { outboxMax: 8, lanesMax: 8, capTotal: 1, payee: self } as unknown as TerminalSettings;
  const books = {
    ...EMPTY_TERMINAL,
    hubKeys: [{ address: hub.address, from: 0 as never, until: 2_000_000_000 as never }],
  };
  const entry = new Uint8Array(32).fill(7);
  const start = terminalAfterPowerUp(books);
  const uploadedTicks = [{ stream: new Uint8Array(32).fill(3), k: 1, entry }];
  const state = { ...start, volatile: { ...start.volatile, hubConnected: true, uploadedTicks } };
  const fields = { entry, position: 1 as never, at: 1 as never };
  const signature = hub.sign(signing.digest('Acknowledgement', fields));
  const message = { type: 'acknowledgement', ...fields, signature } as const;
  const step = terminalStep({ signing, self }, settings, state, { type: 'hubMessage', message }, 1000);
  // Below zero, the next upload would begin before the outbox does and hold nothing.
  assert.is(step.state.volatile.inFlight, 0);
});

test('the line that each planted bug breaks stands exactly once', () => {
  for (const { name, file, find } of plants)
    assert.is(readFileSync(file, 'utf8').split(find).length - 1, 1, `${name} in ${file}`);
});

test.run();

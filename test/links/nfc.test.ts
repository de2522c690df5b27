/**
 * The till's reader and the wearable's application with a real pcscd between them: taps that are cut, and a second slot.
 * Not checked here: a reader or a contactless field; what pcscd does when a card leaves, as vpcd 3.3 ends it then; every
 * command, which is test/device/apdu.test.ts.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ApduCard } from '../../device/links/apdu.ts';
import { openTap } from '../../hardware/boards/node/links/open.ts';
import { virtualCard } from '../../hardware/boards/node/links/nfc/virtual-card.ts';
import { SundialError } from '../../protocol/errors.ts';
import { runNfc } from '../../simulators/links/nfc.ts';
import { startReader } from '../../simulators/links/reader-process.ts';
import { CARD_PORT, pcscdMissing, readersTurn, startPcscd } from '../../simulators/stage/card/pcscd.ts';

const missing = pcscdMissing();
const real = (name: string, run: () => Promise<void>): void => {
  // Whoever runs all suites on purpose wants to know.
  if (missing === undefined || process.env.CI === 'true') test(name, run);
  else test.skip(`${name}: needs ${missing}`, run);
};

real('two readers: each serves its own card at the same time', async () => {
  const endTurn = await readersTurn(() => undefined);
  const heard: [number[], number[]] = [[], []];
  const cards = await Promise.all(
    heard.map((bytes, slot) =>
      virtualCard(
        CARD_PORT + slot,
        new ApduCard({
          refusal: () => undefined,
          onLink: (link) =>
            link.receive(
              (data) => {
                bytes.push(...data);
                link.send(data);
              },
              () => undefined,
            ),
        }),
      ),
    ),
  );
  const stop = await startPcscd();
  const echoes: Promise<number>[] = [];
  const closers: (() => Promise<void>)[] = [];
  for (const slot of [0, 1])
    echoes.push(
      new Promise((resolve) => {
        void startReader(
          slot,
          (link) => {
            let count = 0;
            link.receive(
              (data) => {
                count += data.length;
                if (count >= 1000) resolve(count);
              },
              () => undefined,
            );
            for (let i = 0; i < 5; i++) link.send(new Uint8Array(200).fill(slot + 1));
          },
          () => undefined,
        ).then((close) => closers.push(close));
      }),
    );
  try {
    assert.equal(await Promise.all(echoes), [1000, 1000]);
    for (const slot of [0, 1]) assert.equal(heard[slot], new Array(1000).fill(slot + 1));
  } finally {
    for (const close of closers) await close();
    await stop();
    for (const card of cards) await card.close();
    await endTurn();
  }
});

real('taps with cuts at any command: nothing lost, nothing doubled', async () => {
  const result = await runNfc({
    seed: 5,
    taps: 12,
    cuts: 12,
    say: (text) => process.stdout.write(`${text}\n`),
  });
  assert.ok(result.taps >= 12 && result.cuts >= 12, JSON.stringify(result));
  assert.equal([result.lost, result.doubled], [0, 0]);
});

test('a wearable has no reader, and a till is no card: refused by name', async () => {
  const options = { intent: 'press' as const, onLink: () => undefined, say: () => undefined };
  for (const [address, side] of [
    [{ scheme: 'pcsc', reader: 0 }, 'payer'],
    [{ scheme: 'vpcd', port: 1234 }, 'terminal'],
  ] as const)
    try {
      await openTap(address, { ...options, side });
      assert.unreachable();
    } catch (error) {
      assert.is((error as SundialError).code, 'wrong_link');
    }
});

test('a port that somebody listens at: refused by name', async () => {
  const card = new ApduCard({ refusal: () => undefined, onLink: () => undefined });
  const first = await virtualCard(CARD_PORT + 7, card);
  try {
    await virtualCard(CARD_PORT + 7, card);
    assert.unreachable();
  } catch (error) {
    assert.ok(error instanceof SundialError);
    assert.is(error.code, 'card_port');
  }
  await first.close();
});

test.run();

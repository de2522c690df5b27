/**
 * A till that sold until its outbox was full, in the format of records before this one, is given this program: it hands in
 * every sale, each once, and sells again. A real till's process, its flash as a file, a real hub and chain.
 *
 * Not checked here: journals from before version 2, which are refused by name (test/protocol/vectors.test.ts), and boards.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openJournal } from '../../device/journal/journal.ts';
import { createDevice, JOURNAL_BANKS, keyForNew } from '../../hardware/boards/node/cli/device-folder.ts';
import { FileFlash } from '../../hardware/boards/node/flash.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey } from '../../protocol/crypto/noble.ts';
import { seconds } from '../../protocol/integers.ts';
import { TERMINAL_OUTBOX_MAX } from '../../protocol/limits.ts';
import { collectedFrom } from '../../protocol/machines/collected.ts';
import { type TerminalRecord, terminalRecords } from '../../protocol/machines/terminal/books.ts';
import { RECORD_VERSION } from '../../protocol/wire/records.ts';
import { DeviceChild } from '../../simulators/demo/device-child.ts';
import { payee, payer, root, tap } from '../hub/fleet.ts';
import { hubKey, startSite } from '../hub/site.ts';
import { until } from '../hub/temporary.ts';
import { CLI } from './bench.ts';

/** Versions of records before this one that this program reads. */
const EARLIER = [2, 3];
const PRICE = 1_000;

/** As a program of that version wrote it: version and the oldest reader are its second and third byte. */
function inFormat(version: number, record: TerminalRecord): Uint8Array {
  const bytes = terminalRecords.encode(record);
  assert.equal([bytes[1], bytes[2]], [RECORD_VERSION, RECORD_VERSION], 'where the versions stand');
  bytes[1] = version;
  bytes[2] = version;
  return bytes;
}

for (const version of EARLIER)
  test(`from records of version ${version}, with ${TERMINAL_OUTBOX_MAX} sales waiting`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sundial-upgrade-'));
    const site = await startSite(1_000_000_000);
    const hub = await site.start(join(folder, 'hub'));
    const state = join(folder, 'till');
    let till: DeviceChild | undefined;
    try {
      const made = keyForNew(state);
      const terminal = nobleKey(fromHex(made.secret, 32));
      const expiresAt = seconds(2 ** 40 - 1);
      const certified = { terminal: terminal.address, payee: payee.address, expiresAt };
      const certificate = {
        expiresAt,
        signature: toHex(await payee.sign(site.signing.digest('Terminal', certified))),
      };
      const { chainId, vault } = site.deployment;
      const key = {
        address: hubKey.address,
        from: seconds(0),
        until: expiresAt,
        epoch: 0,
        signedAt: seconds(0),
      };
      createDevice(
        state,
        {
          version: 1,
          role: 'pos',
          name: 'till 1',
          chainId,
          vault: vault.toLowerCase(),
          hub: 'test',
          root: toHex(root.address),
          hubUrl: hub.mqttUrl,
          payee: toHex(payee.address),
          certificate,
        },
        made,
        { hubKey: key },
      );
      const image = join(state, 'flash.img');
      rmSync(image);
      const flash = new FileFlash(image);
      const journal = openJournal(flash, { banks: JOURNAL_BANKS, version, minReader: version });
      const written: Uint8Array[] = [];
      const append = (record: TerminalRecord): void => {
        const bytes = inFormat(version, record);
        journal.append(bytes, () => written);
        written.push(bytes);
      };
      append({ type: 'hubKey', ...key });
      const ids: string[] = [];
      for (let seq = 1; seq <= TERMINAL_OUTBOX_MAX; seq++) {
        const sum = seq * PRICE;
        const { message, id } = await tap({
          ...{ on: site.signing, channel: site.channel, terminal: terminal as never },
          ...{ seq, amount: PRICE, spent: sum, paid: sum },
        });
        const collected = collectedFrom(site.signing, message as never);
        append({ type: 'answered', digest: id, payer: payer.address, ...collected });
        ids.push(toHex(id));
      }
      flash.close();

      till = new DeviceChild(
        CLI,
        { role: 'pos', state, tap: `unix:${join(folder, 'tap.sock')}`, extra: ['--hub', 'none'] },
        () => undefined,
      );
      await till.start();
      const before = await till.status();
      assert.equal([before.outbox, before.frozen], [TERMINAL_OUTBOX_MAX, undefined]);
      till.command({ sale: '1.00' });
      assert.is((await till.next('sale.failed')).code, 'outbox_full');
      till.command({ connect: hub.mqttUrl });
      await till.until(({ outbox }) => outbox === 0);
      const { counts } = await till.status();
      assert.equal(counts, {
        ...{ accepted: TERMINAL_OUTBOX_MAX, acknowledged: TERMINAL_OUTBOX_MAX },
        ...{ ticks: 0, voided: 0 },
      });
      let entries: { id: string; amount: number }[] = [];
      await until('the hub tells them', async () => {
        const url = `${hub.statusUrl}/entries?channel=${site.channel}&seq=`;
        entries = [];
        for (const from of [0, TERMINAL_OUTBOX_MAX / 2 + 1]) {
          const page = (await (await fetch(`${url}${from}`)).json()) as typeof entries;
          entries.push(...page);
        }
        return entries.length >= ids.length;
      });
      assert.equal([...new Set(entries.map(({ id }) => id))].sort(), [...ids].sort());
      const { mark } = till;
      till.command({ sale: '1.00' });
      await till.next('requested', () => true, mark);
    } finally {
      await till?.stop();
      await hub.stop();
      await site.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });

test('there is no earlier version that this test forgets', () => {
  assert.is(Math.max(...EARLIER) + 1, RECORD_VERSION);
});

test.run();

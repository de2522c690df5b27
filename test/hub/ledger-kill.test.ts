/** SIGKILL of a real process that appends to a real disk, at random moments: whatever it said was durable is there. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openFileLedger } from '../../hub/node/open.ts';
import { rounds, seededRandom } from './random.ts';

const segmentBytesMax = 200_000;

/** The record with this serial number: its length and content follow from it. */
function record(serial: number): Uint8Array {
  const bytes = seededRandom(serial).bytes(8 + (serial % 300));
  Buffer.from(bytes.buffer).writeUIntBE(serial, 0, 6);
  return bytes;
}

/** The process that is killed: keeps 64 appends under way and prints "position serial" for each that resolved. */
async function write(folder: string, firstSerial: number): Promise<void> {
  const ledger = await openFileLedger(folder, { segmentBytesMax });
  let serial = firstSerial;
  const appendOne = async (): Promise<void> => {
    for (;;) {
      const own = serial;
      serial += 1;
      const position = await ledger.append(record(own));
      process.stdout.write(`${position} ${own}\n`);
    }
  };
  await Promise.all(Array.from({ length: 64 }, appendOne));
}

function exited(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once('close', () => resolve()));
}

if (process.argv[2] === 'write') {
  await write(process.argv[3]!, Number(process.argv[4]));
} else {
  test('every append that a killed process acknowledged is in the ledger, over many kills', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sundial-kill-'));
    try {
      const acknowledged = new Map<number, number>();
      let firstSerial = 0;
      let torn = 0;
      const all = rounds(5, 50);
      for (const round of all) {
        const random = seededRandom(round);
        const child = spawn(process.execPath, [
          fileURLToPath(import.meta.url),
          'write',
          folder,
          String(firstSerial),
        ]);
        let output = '';
        const target = 1 + random.below(6_000);
        let lines = 0;
        let stderr = '';
        child.stderr.on('data', (data) => {
          stderr += data;
        });
        child.stdout.on('data', (data: Buffer) => {
          output += data;
          for (const byte of data) if (byte === 10) lines += 1;
          if (lines >= target) child.kill('SIGKILL');
        });
        await exited(child);
        assert.is(stderr, '');
        for (const line of output.split('\n').slice(0, -1)) {
          const [position, serial] = line.split(' ').map(Number) as [number, number];
          acknowledged.set(position, serial);
          firstSerial = Math.max(firstSerial, serial + 1);
        }
        const ledger = await openFileLedger(folder, { segmentBytesMax });
        if (ledger.tornTail !== undefined) torn += 1;
        let found = 0;
        for await (const { position, bytes } of ledger.replay()) {
          const serial = Buffer.from(bytes).readUIntBE(0, 6);
          assert.equal(
            Buffer.from(bytes),
            Buffer.from(record(serial)),
            `round ${round}, position ${position}`,
          );
          const expected = acknowledged.get(position);
          if (expected === undefined) continue;
          assert.is(serial, expected, `round ${round}, position ${position}`);
          found += 1;
        }
        assert.is(found, acknowledged.size, `round ${round}`);
        // Unacknowledged serials may be there too; the next life starts behind all of them.
        firstSerial += 128;
        await ledger.close();
      }
      console.log(
        `${all.length} kills, ${acknowledged.size} records acknowledged, 0 lost, ${torn} torn ends`,
      );
      assert.ok(acknowledged.size > 0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test.run();
}

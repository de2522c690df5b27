/**
 * Printed stickers: bytes, what is signed, and swapped ones with real processes. Who reads a sticker is a payer's process;
 * the oracle of the signatures is viem's.
 *
 * Not checked here: a person who does not look at the place that the display shows.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concat, keccak256, recoverTypedDataAddress, stringToHex } from 'viem';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DeviceChild } from '../../simulators/demo/device-child.ts';
import {
  LINK_BYTES_MAX,
  PLACE_BYTES_MAX,
  readSticker,
  stickerText,
} from '../../hardware/boards/node/links/sticker.ts';
import { versionOf } from '../../hardware/boards/node/links/qr/image.ts';
import { codeOf } from '../errors.ts';

const CLI = join(process.cwd(), 'tools', 'sundial.mjs');
const folder = mkdtempSync(join(tmpdir(), 'sundial-sticker-'));
const bench = join(folder, 'state', 'bench');
const tapOf = (name: string): string => `unix:${join(folder, `${name}.sock`)}`;

function sundial(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

const device = (role: 'charger' | 'car', name: string, tap: string, ...extra: string[]): DeviceChild =>
  new DeviceChild(CLI, { role, state: join(bench, name), tap, extra, cwd: folder }, () => undefined);

const PLACES = { harbour: 'Hafen, Stellplatz 7', station: 'Bahnhof, Säule 2' } as const;
const codes = { harbour: '', station: '' };

/** The workbench makes one charge point; a second one is made when the first has another name. */
test.before(async () => {
  for (const name of ['harbour', 'station'] as const) {
    const charger = device('charger', 'charger', tapOf(name));
    await charger.start();
    await charger.stop();
    renameSync(join(bench, 'charger'), join(bench, name));
    const { code, out, err } = sundial(
      ...['sticker', 'print', '--state', join(bench, name), '--place', PLACES[name]],
      ...['--link', tapOf(name), '--html', join(folder, `${name}.html`), '--json'],
    );
    assert.is(code, 0, err);
    codes[name] = JSON.parse(out).code;
  }
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

/** Time for a car that is turned away to be turned away: it says so, and then nothing more comes. */
async function charge(sticker: string, at: 'harbour' | 'station', event: string) {
  const charger = device('charger', at, tapOf(at), '--speed', '1500');
  const car = device('car', 'car', tapOf(at), '--sticker', sticker);
  try {
    await charger.start();
    await car.start();
    const place = await car.next('place');
    const told = await car.next(event);
    return { place: place.place, told, charger: await charger.status(), car: await car.status() };
  } finally {
    await car.stop();
    await charger.stop();
  }
}

test('the place is shown, and the terminal of the sticker is paid', async () => {
  const { place, car } = await charge(codes.harbour, 'harbour', 'tickPaid');
  assert.is(place, PLACES.harbour);
  assert.ok(Number(car.spent) > 0);
});

test('a sticker of another charge point, stuck over this one: the other terminal is turned away, nothing is paid', async () => {
  const { place, told, charger } = await charge(codes.station, 'harbour', 'otherTerminal');
  assert.is(place, PLACES.station, 'and the display shows another place');
  assert.is(told.terminal, `0x${Buffer.from(readSticker(codes.harbour).terminal).toString('hex')}`);
  assert.is((charger.counts as { accepted: number }).accepted, 1, 'only the session of the test before');
});

test('its signatures are those of the terminal and of the payee, by another library', async () => {
  const { place, link, terminal, payee, certificate, at, signature } = readSticker(codes.harbour);
  const hex = (bytes: Uint8Array): `0x${string}` => `0x${Buffer.from(bytes).toString('hex')}`;
  const { chainId, vault } = JSON.parse(readFileSync(join(bench, 'harbour', 'device.json'), 'utf8'));
  const domain = { name: 'Sundial', version: '1', chainId, verifyingContract: vault } as const;
  // EIP-2098: the highest bit of s says which y.
  const unpacked = (bytes: Uint8Array) => ({
    r: hex(bytes.slice(0, 32)),
    s: hex(Uint8Array.of(bytes[32]! & 0x7f, ...bytes.slice(33))),
    yParity: bytes[32]! >> 7,
  });
  const detail = keccak256(concat([stringToHex(place), '0x00', stringToHex(link)]));
  const request = [
    { name: 'terminal', type: 'address' },
    { name: 'amount', type: 'uint48' },
    { name: 'at', type: 'uint40' },
    { name: 'detail', type: 'bytes32' },
  ] as const;
  const signer = await recoverTypedDataAddress({
    domain,
    types: { Request: request },
    primaryType: 'Request',
    message: { terminal: hex(terminal), amount: 0, at, detail },
    signature: unpacked(signature),
  });
  assert.is(signer.toLowerCase(), hex(terminal));
  const certifier = await recoverTypedDataAddress({
    domain,
    types: {
      Terminal: [
        { name: 'terminal', type: 'address' },
        { name: 'payee', type: 'address' },
        { name: 'expiresAt', type: 'uint40' },
      ],
    },
    primaryType: 'Terminal',
    message: { terminal: hex(terminal), payee: hex(payee), expiresAt: certificate.expiresAt },
    signature: unpacked(certificate.signature),
  });
  assert.is(certifier.toLowerCase(), hex(payee));
});

test('what is forged, over or torn is refused by name, before any link is opened', () => {
  const refused = (code: string, text: string): void => {
    const { code: exit, err } = sundial('sticker', 'read', text, '--state', join(bench, 'car'));
    assert.is(exit, 1);
    assert.match(err, new RegExp(`^${code}: `), err);
  };
  const good = readSticker(codes.harbour);
  const other = readSticker(codes.station);
  // Every field that a forger would change, with a sum that fits.
  refused('sticker_forged', stickerText({ ...good, place: PLACES.station }));
  refused('sticker_forged', stickerText({ ...good, link: 'ble:' }));
  refused('sticker_forged', stickerText({ ...good, terminal: other.terminal }));
  refused('sticker_forged', stickerText({ ...good, payee: other.terminal }));
  refused(
    'sticker_forged',
    stickerText({
      ...good,
      certificate: { ...good.certificate, expiresAt: (good.certificate.expiresAt + 1) as never },
    }),
  );
  refused('sticker_forged', stickerText({ ...good, at: (good.at + 1) as never }));
  refused('bad_sticker', codes.harbour.slice(0, -3));
  refused('bad_sticker', `${codes.harbour.slice(0, 30)}0${codes.harbour.slice(31)}`);
  refused('bad_sticker', 'SD1:');
  const car = sundial(
    'car',
    '--state',
    join(bench, 'car'),
    '--sticker',
    stickerText({ ...good, place: 'here' }),
  );
  assert.is(car.code, 1);
  assert.match(car.err, /^sticker_forged: /);
  const read = sundial('sticker', 'read', codes.harbour, '--state', join(bench, 'car'));
  assert.is(read.code, 0);
  assert.match(read.out, /^This place is signed: Hafen, Stellplatz 7\n/);
});

test('the largest sticker is read again, and one more byte is refused', () => {
  const good = readSticker(codes.harbour);
  const largest = { ...good, place: 'p'.repeat(PLACE_BYTES_MAX), link: 'l'.repeat(LINK_BYTES_MAX) };
  const text = stickerText(largest);
  assert.equal(readSticker(text), largest);
  assert.ok(versionOf(text) <= 13, `version ${versionOf(text)} at level L`);
  assert.is(
    codeOf(() => stickerText({ ...good, place: 'p'.repeat(PLACE_BYTES_MAX + 1) })),
    'bad_sticker',
  );
  assert.is(
    codeOf(() => stickerText({ ...good, place: '' })),
    'bad_sticker',
  );
  // A change of direction shows another place than the one that is signed.
  assert.is(
    codeOf(() => stickerText({ ...good, place: 'A\u202eB' })),
    'bad_sticker',
  );
});

test.run();

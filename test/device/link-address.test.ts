/**
 * Addresses of links: every form is read, everything else is refused by a name that lists the forms.
 * Not checked here: whether anything is at an address.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LINK_FORMS, type LinkAddress, parseLink } from '../../hardware/boards/node/links/address.ts';
import { SundialError } from '../../protocol/errors.ts';

const GOOD: readonly [string, LinkAddress][] = [
  ['unix:/tmp/a.sock', { scheme: 'unix', path: '/tmp/a.sock' }],
  ['unix:a:b', { scheme: 'unix', path: 'a:b' }],
  [`unix:${'a'.repeat(107)}`, { scheme: 'unix', path: 'a'.repeat(107) }],
  ['serial:/dev/ttyACM0', { scheme: 'serial', path: '/dev/ttyACM0' }],
  ['ble:', { scheme: 'ble' }],
  ['ble:AA:BB:CC:DD:EE:0f', { scheme: 'ble', address: 'AA:BB:CC:DD:EE:0F' }],
  ['ble:hci1', { scheme: 'ble', adapter: 'hci1' }],
  ['ble:hci1/', { scheme: 'ble', adapter: 'hci1' }],
  ['ble:hci12/AA:BB:CC:DD:EE:FF', { scheme: 'ble', adapter: 'hci12', address: 'AA:BB:CC:DD:EE:FF' }],
  ['pcsc:', { scheme: 'pcsc', reader: 0 }],
  ['pcsc:3', { scheme: 'pcsc', reader: 3 }],
  ['vpcd:1', { scheme: 'vpcd', port: 1 }],
  ['vpcd:65535', { scheme: 'vpcd', port: 65_535 }],
  ['qr:', { scheme: 'qr' }],
];

const BAD = [
  '',
  ':',
  '/tmp/a.sock',
  '/dev/ttyACM0',
  'a',
  'unix:',
  `unix:${'a'.repeat(108)}`,
  'serial:',
  'ble',
  'ble:AA:BB:CC:DD:EE',
  'ble:hci1AA:BB:CC:DD:EE:FF',
  'ble:hci1/x',
  'pcsc:-1',
  'pcsc:01',
  'pcsc:1.5',
  'pcsc:100000',
  'vpcd:',
  'vpcd:0',
  'vpcd:65536',
  'qr:x',
  'toString:',
  '__proto__:',
  'UNIX:/a',
];

test('every form is read', () => {
  for (const [text, address] of GOOD) assert.equal(parseLink(text), address, text);
  for (const { forms } of Object.values(LINK_FORMS)) for (const form of forms) parseLink(form);
});

test('anything else is refused by name, and the error lists every form', () => {
  for (const text of BAD) {
    try {
      parseLink(text);
      assert.unreachable(text);
    } catch (error) {
      assert.ok(error instanceof SundialError, `${text}: ${error}`);
      assert.is(error.code, 'bad_link');
      for (const { forms } of Object.values(LINK_FORMS))
        for (const form of forms) assert.match(error.remedy, form);
    }
  }
});

test.run();

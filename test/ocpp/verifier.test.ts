/**
 * How the page checks meter records, in which anybody may: against OpenSSL, on every curve and on changed bytes. Not checked
 * here: the page itself (console).
 */
import { createPublicKey } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkOcmf } from '../../hardware/boards/node/ocpp/ocmf.ts';
import { ocmfItems } from '../../hardware/boards/node/ocpp/ocmf-record.ts';
import { verifyOcmf } from '../../hardware/boards/node/ocpp/verifier/verify.ts';
import { codeOf } from '../errors.ts';
import { madeRecord as made } from './made-record.ts';

const CURVES = [
  ['secp192k1', 'ECDSA-secp192k1-SHA256'],
  ['prime192v1', 'ECDSA-secp192r1-SHA256'],
  ['secp256k1', 'ECDSA-secp256k1-SHA256'],
  ['prime256v1', 'ECDSA-secp256r1-SHA256'],
  ['secp384r1', 'ECDSA-secp384r1-SHA256'],
  ['brainpoolP256r1', 'ECDSA-brainpool256r1-SHA256'],
  ['brainpoolP384r1', 'ECDSA-brainpool384r1-SHA256'],
] as const;
const both = (record: string, key: string): readonly [string | boolean, string | boolean] => {
  const said = (check: typeof checkOcmf): string | boolean => {
    let verified = false;
    const code = codeOf(() => {
      ({ verified } = check(record, key));
    });
    return code === 'done' ? verified : code;
  };
  return [said(checkOcmf), said(verifyOcmf)];
};

for (const [curve, method] of CURVES)
  test(`${curve}: OpenSSL and the page agree, on what is right and on what was changed`, () => {
    for (const encoding of ['der', 'ieee-p1363'] as const)
      for (let i = 0; i < 8; i++) {
        const { record, der, point } = made(curve, method, {}, encoding);
        assert.equal(both(record, der), [true, true]);
        assert.equal(both(record, point), [true, true]);
        assert.equal(both(record.replace('8.75', '7.75'), der), [false, false]);
        assert.equal(both(record, made(curve, method).der), [false, false]);
        // A digit of the signature.
        const at = record.length - 8;
        const changed = `${record.slice(0, at)}${record[at] === '0' ? '1' : '0'}${record.slice(at + 1)}`;
        assert.equal(both(changed, der), [false, false]);
      }
    const { record } = made(curve, method);
    const [other, otherMethod] = CURVES[curve === 'secp256k1' ? 3 : 2]!;
    assert.equal(both(record, made(other, otherMethod).der), [false, false]);
    assert.equal(both(record, 'no key'), ['bad_meter_key', 'bad_meter_key']);
    // A point beside the curve.
    const beside = `04${'11'.repeat(2 * (Number(/(\d+)/.exec(curve)![1]) >> 3))}`;
    assert.equal(both(record, beside), ['bad_meter_key', 'bad_meter_key']);
  });

test('a compressed point is a key, too', () => {
  const { record, der } = made('secp256k1', 'ECDSA-secp256k1-SHA256');
  const { x, y } = createPublicKey({ key: Buffer.from(der, 'hex'), format: 'der', type: 'spki' }).export({
    format: 'jwk',
  });
  const last = Buffer.from(y!, 'base64url').at(-1)!;
  const point = `${last % 2 === 0 ? '02' : '03'}${Buffer.from(x!, 'base64url').toString('hex')}`;
  assert.equal(both(record, point), [true, true]);
});

const data = join(process.env.SUNDIAL_DATA ?? '', 'ocmf');
const published = process.env.SUNDIAL_DATA !== undefined && existsSync(data) ? test : test.skip;
for (const name of ['keba-good', 'isa-three-readings', 'keba-tariff-text-no-clock', 'keba-altered-time'])
  published(`a published sample (SUNDIAL_DATA): ${name}`, () => {
    for (const { record, publicKey } of ocmfItems(readFileSync(join(data, `${name}.xml`), 'utf8'))) {
      const [node, page] = both(record, publicKey!);
      assert.is(page, node);
      assert.is(page, name !== 'keba-altered-time');
    }
  });

test.run();

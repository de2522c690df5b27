/**
 * Signed meter records: published samples pass and fail as they should, and any changed byte is seen. Not checked here: what
 * a gateway does with them (npm run plug).
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkOcmf } from '../../hardware/boards/node/ocpp/ocmf.ts';
import { OCMF_MAX, ocmfItems } from '../../hardware/boards/node/ocpp/ocmf-record.ts';
import { readingsOf } from '../../hardware/boards/node/ocpp/meter-values.ts';
import { codeOf } from '../errors.ts';

/** With a bar in a text, which a record may have. */
const PAYLOAD =
  '{"FV":"1.0","PG":"T1","MS":"a|b","RD":[{"TM":"2026-11-30T10:00:00,000+0000 S","TX":"B","RV":"1.25","RU":"kWh","ST":"G"}]}';

interface Made {
  readonly record: string;
  readonly key: KeyObject;
}

function made(curve: string, method: string, dsaEncoding: 'der' | 'ieee-p1363', base64 = false): Made {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve });
  const bytes = sign('sha256', Buffer.from(PAYLOAD), { key: privateKey, dsaEncoding });
  const signature = {
    SA: method,
    ...(base64 && { SE: 'base64' }),
    SD: base64 ? bytes.toString('base64') : bytes.toString('hex').toUpperCase(),
  };
  return { record: `OCMF|${PAYLOAD}|${JSON.stringify(signature)}`, key: publicKey };
}

const spki = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'spki' });
const CURVES = [
  ['secp256k1', 'ECDSA-secp256k1-SHA256', 32],
  ['prime256v1', 'ECDSA-secp256r1-SHA256', 32],
  ['secp384r1', 'ECDSA-secp384r1-SHA256', 48],
  ['brainpoolP256r1', 'ECDSA-brainpool256r1-SHA256', 32],
] as const;

test('every encoding of keys and signatures', () => {
  for (const [curve, method, size] of CURVES)
    for (const encoding of ['der', 'ieee-p1363'] as const)
      for (const base64 of [false, true]) {
        const { record, key } = made(curve, method, encoding, base64);
        const der = spki(key);
        const point = der.subarray(der.length - 2 * size);
        const keys = [
          der.toString('hex'),
          der.toString('base64'),
          point.toString('hex'),
          `04${point.toString('hex')}`,
        ];
        for (const text of keys)
          assert.is(checkOcmf(record, text).verified, true, `${curve} ${encoding} ${text}`);
        const other = spki(made(curve, method, encoding).key).toString('hex');
        assert.is(checkOcmf(record, other).verified, false);
      }
});

test('a changed payload is seen, wherever it is changed', () => {
  const { record, key } = made('secp256k1', 'ECDSA-secp256k1-SHA256', 'der');
  const text = spki(key).toString('hex');
  for (const [from, to] of [
    ['1.25', '1.24'],
    ['10:00', '10:01'],
    ['T1', 'T2'],
    ['"G"', '"N"'],
    ['a|b', 'a|c'],
  ])
    assert.is(checkOcmf(record.replace(from!, to!), text).verified, false, from);
  assert.is(
    checkOcmf(record, spki(made('prime256v1', 'ECDSA-secp256r1-SHA256', 'der').key).toString('hex')).verified,
    false,
  );
});

test('what is no record, and what is no key', () => {
  const { record, key } = made('secp256k1', 'ECDSA-secp256k1-SHA256', 'der');
  const text = spki(key).toString('hex');
  for (const wrong of [
    '',
    'OCMF|',
    'OCMF|{}',
    'OCMF|{}|{}',
    'OCMF|x|{"SD":"00"}',
    `${record}x`,
    record.replace('OCMF', 'ocmf'),
  ])
    assert.is(
      codeOf(() => checkOcmf(wrong, text)),
      'bad_ocmf',
      wrong.slice(0, 40),
    );
  assert.is(
    codeOf(() => checkOcmf(record.replace('ECDSA-secp256k1', 'ECDSA-other'), text)),
    'bad_ocmf',
  );
  assert.is(
    codeOf(() => checkOcmf(`${record}${' '.repeat(OCMF_MAX)}`, text)),
    'done',
    'spaces around it are none of it',
  );
  const long = record.replace('a|b', 'x'.repeat(OCMF_MAX));
  assert.is(
    codeOf(() => checkOcmf(long, text)),
    'bad_ocmf',
  );
  for (const wrong of ['', 'zz', '00'.repeat(64)])
    assert.is(
      codeOf(() => checkOcmf(record, wrong)),
      'bad_meter_key',
      wrong,
    );
  assert.is(
    codeOf(() => ocmfItems('<values></values>')),
    'bad_ocmf',
  );
});

test('the XML of transparency software', () => {
  const record = 'OCMF|{"TT":"a &amp; b &lt;c&gt;"}|{}';
  assert.equal(
    ocmfItems(`<values><value a="1"><signedData format="OCMF">\n${record}\n</signedData><publicKey>AB</publicKey></value>
      <value><signedData><![CDATA[OCMF|{}|{}]]></signedData></value></values>`),
    [{ record: 'OCMF|{"TT":"a & b <c>"}|{}', publicKey: 'AB' }, { record: 'OCMF|{}|{}' }],
  );
});

test('signed values of both generations of OCPP', () => {
  const { record, key } = made('secp256k1', 'ECDSA-secp256k1-SHA256', 'der');
  const base64 = Buffer.from(record).toString('base64');
  const publicKey = spki(key).toString('base64');
  const timestamp = '2026-11-30T10:00:00Z';
  const wrap = (signedMeterData: string) =>
    JSON.stringify({ signedMeterData, encodingMethod: 'OCMF', publicKey });
  const values = [
    { value: record, format: 'SignedData' },
    { value: base64, format: 'SignedData' },
    { value: wrap(base64), format: 'SignedData' },
    { value: 7, signedMeterValue: { signedMeterData: base64, encodingMethod: 'OCMF', publicKey } },
    {
      value: 7,
      signedMeterValue: { signedMeterData: base64.replace('M', 'N'), encodingMethod: 'OCMF', publicKey },
    },
  ];
  const found = values.map(
    (value) => readingsOf([{ timestamp, sampledValue: [value] }], () => 5)[0]?.signed?.[0],
  );
  assert.equal(
    found.slice(0, 4).map((one) => one?.data),
    [record, record, record, record],
  );
  assert.equal(
    found.map((one) => one?.verified),
    [undefined, undefined, true, true, false],
  );
});

const data = join(process.env.SUNDIAL_DATA ?? '', 'ocmf');
const published = process.env.SUNDIAL_DATA !== undefined && existsSync(data) ? test : test.skip;
for (const [name, wanted] of [
  ['keba-good', true],
  ['isa-three-readings', true],
  ['keba-tariff-text-no-clock', true],
  ['keba-altered-time', false],
] as const)
  published(`a published sample (SUNDIAL_DATA): ${name}`, () => {
    const [item] = ocmfItems(readFileSync(join(data, `${name}.xml`), 'utf8'));
    assert.is(checkOcmf(item!.record, item!.publicKey!).verified, wanted);
  });

test.run();

/**
 * The key in a simulated meter: signs OCMF with a library of its own, so that what the gateway verifies was made by somebody
 * else. The key lies in a file, as it stays in its meter when the charge point loses its power.
 */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { PayloadData, SignatureMethodId } from '@road-labs/ocmf';
import { writeDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import type { SignReading } from './charge-point.ts';

// Their exports can't be seen by Node before they are loaded.
const load = createRequire(import.meta.url);
const { Signer } = load('@road-labs/ocmf') as typeof import('@road-labs/ocmf');
const { Crypto } = load('@road-labs/ocmf-crypto-noble') as typeof import('@road-labs/ocmf-crypto-noble');

export type MeterCurve = 'secp256k1' | 'prime256v1';

const METHODS: Readonly<Record<MeterCurve, { readonly id: SignatureMethodId; readonly oid: string }>> = {
  secp256k1: { id: 'ECDSA-secp256k1-SHA256', oid: '06052b8104000a' },
  prime256v1: { id: 'ECDSA-secp256r1-SHA256', oid: '06082a8648ce3d030107' },
};

const tagged = (tag: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const length = body.length < 128 ? [body.length] : [0x81, body.length];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
};

/** PKCS#8 with the curve named inside as well, which the library wants and Node leaves out. */
function pkcs8(sec1: Buffer, oid: string): Buffer {
  const ids = tagged(0x30, Buffer.from('06072a8648ce3d0201', 'hex'), Buffer.from(oid, 'hex'));
  return tagged(0x30, Buffer.from([2, 1, 0]), ids, tagged(0x04, sec1));
}

interface Key {
  readonly sec1: string;
  readonly publicKey: string;
}

function keyIn(file: string, namedCurve: MeterCurve): Key {
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Key;
  const pair = generateKeyPairSync('ec', { namedCurve });
  const key = {
    sec1: pair.privateKey.export({ format: 'der', type: 'sec1' }).toString('hex'),
    publicKey: pair.publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
  };
  writeDurably(file, JSON.stringify(key));
  return key;
}

/** OCMF's moment: local time with milliseconds, and that the clock was set. */
const moment = (at: number): string => `${new Date(at).toISOString().slice(0, 23).replace('.', ',')}+0000 S`;

/** A meter of this serial number whose key is in `file`. */
export async function meterIn(file: string, serial: string, curve: MeterCurve): Promise<SignReading> {
  const { sec1, publicKey } = keyIn(file, curve);
  const { id, oid } = METHODS[curve];
  const crypto = new Crypto();
  const signer = new Signer(crypto);
  const key = await crypto.decodeEcPrivateKey(pkcs8(Buffer.from(sec1, 'hex'), oid), 'pkcs8-der');
  let page = 0;
  return async ({ wh, begin, end, at }) => {
    page += 1;
    const payload: PayloadData = {
      FV: '1.0',
      PG: `T${page}`,
      MS: serial,
      IS: true,
      IL: 'TRUSTED',
      IF: ['OCPP_AUTH'],
      IT: 'CENTRAL',
      ID: 'channel',
      RD: [
        {
          TM: moment(at),
          TX: begin ? 'B' : end ? 'E' : 'C',
          RV: wh / 1000,
          RI: '01-00:01.08.00*FF',
          RU: 'kWh',
          ST: 'G',
        },
      ],
    };
    return { data: await signer.sign(payload, key, id), publicKey };
  };
}

/**
 * What a charge point's meter values say, in all versions: the register of imported energy in watt-hours, and signed records.
 * Everything else that a meter samples is passed over.
 */
import { checkOcmf } from './ocmf.ts';
import type { SignedRecord } from './session.ts';
import type { Reading } from './station.ts';

/** A sampled value of OCPP 1.6 (texts) or 2.x (numbers), as far as it is read here. */
export interface SampledValue {
  readonly value: string | number;
  readonly context?: string;
  readonly format?: string;
  readonly measurand?: string;
  readonly phase?: string;
  readonly location?: string;
  readonly unit?: string;
  readonly unitOfMeasure?: { readonly unit?: string; readonly multiplier?: number };
  readonly signedMeterValue?: {
    readonly signedMeterData: string;
    readonly encodingMethod: string;
    readonly publicKey?: string;
  };
}

export interface MeterValue {
  readonly timestamp: string;
  readonly sampledValue: readonly SampledValue[];
}

const REGISTER = 'Energy.Active.Import.Register';

/** Watt-hours of a register value, or undefined when it is no such value. */
function wattHours(sample: SampledValue): number | undefined {
  const { value, measurand = REGISTER, phase, location = 'Outlet', format = 'Raw' } = sample;
  if (measurand !== REGISTER || phase !== undefined || location !== 'Outlet' || format !== 'Raw')
    return undefined;
  const unit = sample.unit ?? sample.unitOfMeasure?.unit ?? 'Wh';
  const factor = unit === 'kWh' ? 1000 : unit === 'Wh' ? 1 : undefined;
  const number = typeof value === 'number' ? value : value.trim() === '' ? Number.NaN : Number(value);
  if (factor === undefined) return undefined;
  const wh = Math.round(number * factor * 10 ** (sample.unitOfMeasure?.multiplier ?? 0));
  return Number.isSafeInteger(wh) && wh >= 0 ? wh : undefined;
}

/** Text of base64 or hex, when an OCMF record is in it. */
function decoded(text: string): string {
  if (text.startsWith('OCMF|')) return text;
  for (const encoding of ['base64', 'hex'] as const) {
    const plain = Buffer.from(text, encoding).toString('utf8');
    if (plain.startsWith('OCMF|')) return plain;
  }
  return text;
}

/** Is it what its meter's key signed? Undefined: nobody can tell here. */
function isVerified({ format, data, publicKey }: SignedRecord): boolean | undefined {
  if (publicKey === undefined || !format.toUpperCase().startsWith('OCMF')) return undefined;
  try {
    return checkOcmf(data, publicKey).verified;
  } catch {
    return false;
  }
}

/** The signed record of a value, if it has one, and whether it is verified. */
function signedOf(sample: SampledValue, at: number): SignedRecord | undefined {
  const record = recordOf(sample, at);
  const verified = record && isVerified(record);
  return record && { ...record, ...(verified !== undefined && { verified }) };
}

/** In 1.6 the record is the value itself, alone or within JSON. */
function recordOf(sample: SampledValue, at: number): SignedRecord | undefined {
  const { signedMeterValue, format, value } = sample;
  if (signedMeterValue !== undefined) {
    const { signedMeterData, encodingMethod, publicKey } = signedMeterValue;
    return {
      at,
      format: encodingMethod,
      data: decoded(signedMeterData),
      ...(publicKey !== undefined && publicKey !== '' && { publicKey }),
    };
  }
  if (format !== 'SignedData' || typeof value !== 'string') return undefined;
  if (!value.trim().startsWith('{')) return { at, format: 'OCMF', data: decoded(value) };
  try {
    const inner = JSON.parse(value) as {
      signedMeterData?: unknown;
      encodingMethod?: unknown;
      publicKey?: unknown;
    };
    const { signedMeterData = value, encodingMethod = 'OCMF', publicKey } = inner;
    return {
      at,
      format: String(encodingMethod),
      data: decoded(String(signedMeterData)),
      ...(typeof publicKey === 'string' && publicKey !== '' && { publicKey }),
    };
  } catch {
    return { at, format: 'unknown', data: value };
  }
}

/** Readings of a list of meter values, in their order; those that say nothing of energy only say the time. */
export function readingsOf(
  values: readonly MeterValue[] | undefined,
  moment: (text: string) => number,
): readonly Reading[] {
  return (values ?? []).map(({ timestamp, sampledValue }) => {
    const at = moment(timestamp);
    const wh = sampledValue.map(wattHours).find((value) => value !== undefined);
    const signed = sampledValue
      .map((sample) => signedOf(sample, at))
      .filter((record) => record !== undefined);
    return { at, ...(wh !== undefined && { wh }), ...(signed.length > 0 && { signed }) };
  });
}

/** Of readings that belong to one moment, the last register, with all signed records. */
export function lastOf(readings: readonly Reading[], at: number): Reading {
  const wh = readings.findLast((reading) => reading.wh !== undefined)?.wh;
  const signed = readings.flatMap((reading) => reading.signed ?? []);
  return { at, ...(wh !== undefined && { wh }), ...(signed.length > 0 && { signed }) };
}

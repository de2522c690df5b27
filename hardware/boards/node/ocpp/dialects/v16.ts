/** OCPP 1.6J. */
import type { PlugStatus } from '../plug.ts';
import { lastOf, type MeterValue, readingsOf } from '../meter-values.ts';
import type { Station } from '../station.ts';
import {
  type Dialect,
  HEARTBEAT_SECONDS,
  type Params,
  renamedSettlement,
  settlementTransfer,
  timeNow,
} from './dialect.ts';

interface StartTransaction {
  readonly connectorId: number;
  readonly idTag: string;
  readonly meterStart: number;
  readonly timestamp: string;
}

interface StopTransaction {
  readonly transactionId: number;
  readonly meterStop: number;
  readonly timestamp: string;
  readonly reason?: string;
  readonly idTag?: string;
  readonly transactionData?: readonly MeterValue[];
}

interface MeterValues {
  readonly connectorId: number;
  readonly transactionId?: number;
  readonly meterValue: readonly MeterValue[];
}

interface StatusNotification {
  readonly connectorId: number;
  readonly status: string;
  readonly timestamp?: string;
}

const STATUS: Readonly<Record<string, PlugStatus>> = {
  Available: 'available',
  Reserved: 'reserved',
  Unavailable: 'unavailable',
  Faulted: 'unavailable',
};

const info = (accepted: boolean) => ({ idTagInfo: { status: accepted ? 'Accepted' : 'Invalid' } });

async function onStart(station: Station, params: StartTransaction): Promise<Params> {
  const { connectorId, idTag, meterStart, timestamp } = params;
  const at = station.moment(timestamp);
  const { id, accepted } = await station.started({
    connector: connectorId,
    key: JSON.stringify([connectorId, idTag, meterStart, timestamp]),
    token: idTag,
    at,
    wh: Math.max(0, meterStart),
    flowing: true,
    late: station.isLate(at),
  });
  return { transactionId: Number(id), ...info(accepted) };
}

async function onStop(station: Station, params: StopTransaction): Promise<Params> {
  const at = station.moment(params.timestamp);
  const data = lastOf(
    readingsOf(params.transactionData, (text) => station.moment(text)),
    at,
  );
  await station.ended(String(params.transactionId), {
    ...data,
    wh: Math.max(0, params.meterStop),
    reason: params.reason ?? 'Local',
    ...(params.idTag !== undefined && { token: params.idTag }),
  });
  return info(true);
}

function onMeter(station: Station, { connectorId, transactionId, meterValue }: MeterValues): Params {
  const id = transactionId === undefined ? undefined : String(transactionId);
  for (const reading of readingsOf(meterValue, (text) => station.moment(text)))
    station.reading(connectorId, id, reading);
  return {};
}

async function onStatus(
  station: Station,
  { connectorId, status, timestamp }: StatusNotification,
): Promise<Params> {
  // 0 is the charge point as a whole.
  if (connectorId === 0) return {};
  await station.status(connectorId, STATUS[status] ?? 'plugged');
  if (status.startsWith('Suspended') || status === 'Charging')
    station.reading(connectorId, undefined, {
      at: station.moment(timestamp),
      idle: status === 'SuspendedEV',
    });
  return {};
}

const HANDLERS: Readonly<Record<string, (station: Station, params: never) => Promise<Params> | Params>> = {
  BootNotification: () => ({ currentTime: timeNow(), interval: HEARTBEAT_SECONDS, status: 'Accepted' }),
  Heartbeat: () => ({ currentTime: timeNow() }),
  StatusNotification: onStatus,
  Authorize: async (station, { idTag }: { readonly idTag: string }) => info(await station.authorize(idTag)),
  StartTransaction: onStart,
  StopTransaction: onStop,
  MeterValues: onMeter,
  DataTransfer: () => ({ status: 'UnknownVendorId' }),
  DiagnosticsStatusNotification: () => ({}),
  FirmwareStatusNotification: () => ({}),
  SecurityEventNotification: () => ({}),
  LogStatusNotification: () => ({}),
  SignedFirmwareStatusNotification: () => ({}),
  SignCertificate: () => ({ status: 'Rejected' }),
};

/** What is set at the charge point, by key. */
const SETTINGS: Readonly<Record<string, (seconds: number) => string>> = {
  MeterValuesSampledData: () => 'Energy.Active.Import.Register',
  MeterValueSampleInterval: String,
  // A token that is refused ends what was started with it.
  StopTransactionOnInvalidId: () => 'true',
};

const TELLS: Readonly<Record<string, ReturnType<Dialect['tells']>>> = {
  BootNotification: 'boot',
  StatusNotification: 'standing',
  Heartbeat: 'told',
  Authorize: 'decided',
  StartTransaction: 'kept',
  StopTransaction: 'kept',
  MeterValues: 'kept',
};

interface WithTransaction {
  readonly transactionId?: number;
}
const renamedIn = <T extends WithTransaction>(it: T, rename: (id: string) => string): T =>
  it.transactionId === undefined ? it : { ...it, transactionId: Number(rename(String(it.transactionId))) };

const set = (key: string, value: string) => ({ method: 'ChangeConfiguration', params: { key, value } });

export const v16: Dialect = {
  methods: Object.keys(HANDLERS),
  handle: async (station, method, params) => HANDLERS[method]!(station, params as never),
  start: (connectorId, idTag) => ({ method: 'RemoteStartTransaction', params: { connectorId, idTag } }),
  stop: (transaction) => ({
    method: 'RemoteStopTransaction',
    params: { transactionId: Number(transaction) },
  }),
  pause: (connectorId, transaction) => ({
    method: 'SetChargingProfile',
    params: {
      connectorId,
      csChargingProfiles: {
        chargingProfileId: 1,
        transactionId: Number(transaction),
        stackLevel: 0,
        chargingProfilePurpose: 'TxProfile',
        chargingProfileKind: 'Absolute',
        chargingSchedule: {
          chargingRateUnit: 'W',
          startSchedule: timeNow(),
          chargingSchedulePeriod: [{ startPeriod: 0, limit: 0 }],
        },
      },
    },
  }),
  configure: (seconds) => Object.entries(SETTINGS).map(([key, value]) => set(key, value(seconds))),
  tells: (method) => TELLS[method],
  transactionOf: (method, params, answer) => {
    const { transactionId: id } = (method === 'StartTransaction' ? answer : params) as WithTransaction;
    return {
      ...(id !== undefined && { id: String(id) }),
      begins: method === 'StartTransaction',
      ends: method === 'StopTransaction',
    };
  },
  settled: (settlement, _protocol, vendor) =>
    vendor === undefined ? undefined : settlementTransfer(settlement, vendor),
  renamed: (method, params, rename) => {
    if (method === 'DataTransfer') return renamedSettlement(params, rename);
    const { csChargingProfiles: profile } = params as { readonly csChargingProfiles?: WithTransaction };
    return {
      ...renamedIn(params as WithTransaction & Params, rename),
      ...(profile !== undefined && { csChargingProfiles: renamedIn(profile, rename) }),
    };
  },
  keeps: (method, { key }) =>
    method === 'ChangeConfiguration' && Object.hasOwn(SETTINGS, String(key))
      ? { status: 'Rejected' }
      : undefined,
};

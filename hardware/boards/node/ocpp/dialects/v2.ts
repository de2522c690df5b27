/** OCPP 2.0.1 and 2.1: the same messages as far as a gateway needs them. */
import type { PlugStatus } from '../plug.ts';
import { lastOf, type MeterValue, readingsOf } from '../meter-values.ts';
import type { Station } from '../station.ts';
import { type Dialect, HEARTBEAT_SECONDS, type Params, settlementTransfer, timeNow } from './dialect.ts';

interface Token {
  readonly idToken: string;
  readonly type: string;
}

interface TransactionEvent {
  readonly eventType: 'Started' | 'Updated' | 'Ended';
  readonly timestamp: string;
  readonly offline?: boolean;
  readonly transactionInfo: {
    readonly transactionId: string;
    readonly chargingState?: string;
    readonly stoppedReason?: string;
  };
  readonly evse?: { readonly id: number };
  readonly idToken?: Token;
  readonly meterValue?: readonly MeterValue[];
}

const STATUS: Readonly<Record<string, PlugStatus>> = {
  Available: 'available',
  Occupied: 'plugged',
  Reserved: 'reserved',
  Unavailable: 'unavailable',
  Faulted: 'unavailable',
};

const info = (accepted: boolean) => ({ idTokenInfo: { status: accepted ? 'Accepted' : 'Invalid' } });

/** A token that names nobody asks for nothing. */
const tokenText = (token: Token | undefined): string | undefined =>
  token === undefined || token.type === 'NoAuthorization' || token.idToken === '' ? undefined : token.idToken;

async function onEvent(station: Station, event: TransactionEvent): Promise<Params> {
  const { transactionInfo, eventType, idToken, evse, offline = false } = event;
  const { transactionId: id, chargingState, stoppedReason } = transactionInfo;
  const at = station.moment(event.timestamp);
  const token = tokenText(idToken);
  const readings = readingsOf(event.meterValue, (text) => station.moment(text));
  const last = lastOf(readings, at);
  const charging = chargingState === 'Charging';
  const state = {
    ...(chargingState !== undefined && { idle: chargingState === 'SuspendedEV' }),
    ...((charging || token !== undefined) && { flowing: true }),
  };
  let accepted = true;
  if (eventType === 'Started' || !station.knows(id)) {
    const start = await station.started({
      connector: evse?.id ?? 1,
      id,
      key: id,
      ...(token !== undefined && { token }),
      at,
      wh: readings.find(({ wh }) => wh !== undefined)?.wh ?? 0,
      flowing: charging || token !== undefined,
      late: offline || station.isLate(at),
    });
    accepted = start.accepted;
  }
  if (eventType === 'Ended')
    await station.ended(id, {
      ...last,
      reason: stoppedReason ?? 'Local',
      ...(evse !== undefined && { connector: evse.id }),
      ...(token !== undefined && { token }),
    });
  else {
    for (const reading of readings) station.reading(undefined, id, reading);
    station.reading(undefined, id, { at, ...state });
    if (token !== undefined && eventType === 'Updated') accepted = await station.authorizeFor(id);
  }
  const cost = station.costOf(id);
  return {
    ...(cost !== undefined && { totalCost: cost }),
    ...(token !== undefined && info(accepted)),
  };
}

async function onStatus(
  station: Station,
  { evseId, connectorStatus }: { readonly evseId: number; readonly connectorStatus: string },
): Promise<Params> {
  if (evseId > 0) await station.status(evseId, STATUS[connectorStatus] ?? 'plugged');
  return {};
}

function onMeter(
  station: Station,
  { evseId, meterValue }: { readonly evseId: number; readonly meterValue: readonly MeterValue[] },
): Params {
  if (evseId > 0)
    for (const reading of readingsOf(meterValue, (text) => station.moment(text)))
      station.reading(evseId, undefined, reading);
  return {};
}

/** What a charge point tells and nobody here acts on. */
const HEARD = [
  'ClearedChargingLimit',
  'FirmwareStatusNotification',
  'LogStatusNotification',
  'NotifyChargingLimit',
  'NotifyCustomerInformation',
  'NotifyDisplayMessages',
  'NotifyEvent',
  'NotifyMonitoringReport',
  'NotifyReport',
  'NotifySettlement',
  'PublishFirmwareStatusNotification',
  'ReportChargingProfiles',
  'ReservationStatusUpdate',
  'SecurityEventNotification',
];

const HANDLERS: Readonly<Record<string, (station: Station, params: never) => Promise<Params> | Params>> = {
  BootNotification: () => ({ currentTime: timeNow(), interval: HEARTBEAT_SECONDS, status: 'Accepted' }),
  Heartbeat: () => ({ currentTime: timeNow() }),
  StatusNotification: onStatus,
  Authorize: async (station, { idToken }: { readonly idToken: Token }) =>
    info(await station.authorize(idToken.idToken)),
  TransactionEvent: onEvent,
  MeterValues: onMeter,
  DataTransfer: () => ({ status: 'UnknownVendorId' }),
  SignCertificate: () => ({ status: 'Rejected' }),
  ...Object.fromEntries(HEARD.map((method) => [method, () => ({})])),
};

const variable = (component: string, name: string, attributeValue: string) => ({
  attributeValue,
  component: { name: component },
  variable: { name },
});

/** What is set at the charge point: component, variable, value. */
const SETTINGS: readonly (readonly [string, string, (seconds: number) => string])[] = [
  ['SampledDataCtrlr', 'TxUpdatedInterval', String],
  ['SampledDataCtrlr', 'TxUpdatedMeasurands', () => 'Energy.Active.Import.Register'],
  ['TxCtrlr', 'StopTxOnInvalidId', () => 'true'],
];

const TELLS: Readonly<Record<string, ReturnType<Dialect['tells']>>> = {
  BootNotification: 'boot',
  StatusNotification: 'standing',
  Heartbeat: 'told',
  Authorize: 'decided',
  TransactionEvent: 'kept',
  MeterValues: 'kept',
};

type Setting = ReturnType<typeof variable>;

/** One setting of ours among them refuses them all: half a change is nobody's wish. */
function keeps(method: string, params: Params): Params | undefined {
  if (method !== 'SetVariables') return undefined;
  const { setVariableData } = params as { readonly setVariableData: readonly Setting[] };
  const isOurs = ({ component, variable: { name } }: Setting) =>
    SETTINGS.some(([ours, its]) => ours === component.name && its === name);
  if (!setVariableData.some(isOurs)) return undefined;
  return {
    setVariableResult: setVariableData.map(({ component, variable: named }) => ({
      attributeStatus: 'Rejected',
      component,
      variable: named,
    })),
  };
}

let startIds = 0;

export const v2: Dialect = {
  methods: Object.keys(HANDLERS),
  handle: async (station, method, params) => HANDLERS[method]!(station, params as never),
  start: (evseId, token) => {
    startIds = (startIds % 0x7fff_ffff) + 1;
    return {
      method: 'RequestStartTransaction',
      params: { evseId, remoteStartId: startIds, idToken: { idToken: token, type: 'Central' } },
    };
  },
  stop: (transactionId) => ({ method: 'RequestStopTransaction', params: { transactionId } }),
  pause: (evseId, transactionId) => ({
    method: 'SetChargingProfile',
    params: {
      evseId,
      chargingProfile: {
        id: 1,
        stackLevel: 0,
        chargingProfilePurpose: 'TxProfile',
        chargingProfileKind: 'Absolute',
        transactionId,
        chargingSchedule: [
          {
            id: 1,
            chargingRateUnit: 'W',
            startSchedule: timeNow(),
            chargingSchedulePeriod: [{ startPeriod: 0, limit: 0 }],
          },
        ],
      },
    },
  }),
  configure: (seconds) => [
    {
      method: 'SetVariables',
      params: {
        setVariableData: [
          ...SETTINGS.map(([component, name, value]) => variable(component, name, value(seconds))),
        ],
      },
    },
  ],
  tells: (method) => TELLS[method],
  transactionOf: (method, params) => {
    if (method !== 'TransactionEvent') return {};
    const { eventType, transactionInfo } = params as unknown as TransactionEvent;
    return {
      id: transactionInfo.transactionId,
      begins: eventType === 'Started',
      ends: eventType === 'Ended',
    };
  },
  // The charge point names its transactions itself.
  renamed: (_method, params) => params,
  settled: (settlement, protocol, vendor) => {
    if (protocol === 'ocpp2.1')
      return { method: 'NotifySettlement', params: { status: 'Settled', ...settlement } };
    return vendor === undefined ? undefined : settlementTransfer(settlement, vendor);
  },
  keeps,
};

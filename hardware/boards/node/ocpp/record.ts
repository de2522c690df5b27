/** The record of a session: what happened and what it cost, in the shape of an OCPI 2.2.1 CDR, with what was paid beside it. */
import { priceOf, type Price } from '../../../../device/tariff/tariff.ts';
import { DECIMALS } from '../cli/money.ts';
import type { Settlement } from './dialects/dialect.ts';
import { paidOf, priceSoFar, type Session, tokenOf } from './session.ts';

/** Whose charge points these are, for the record: OCPI names, and three letters that stand for the token. */
export interface Party {
  readonly countryCode: string;
  readonly partyId: string;
  readonly currency: string;
}

/** Nobody in particular; XTS is ISO 4217's code for tests. */
export const NO_PARTY: Party = { countryCode: 'ZZ', partyId: 'SUN', currency: 'XTS' };

const tokens = (units: number): number => units / 10 ** DECIMALS;
const time = (at: number): string => new Date(at * 1000).toISOString();
const hours = (seconds: number): number => Math.round((seconds / 3600) * 1e4) / 1e4;

/** A part of the price without and with VAT; the exact VAT is in the total alone. */
const price = (units: number, vat: number) => ({
  excl_vat: tokens(units),
  incl_vat: tokens(Math.round((units * (10_000 + vat)) / 10_000)),
});

function costs(session: Session, { start, energy, time: charging, idle, adjustment, vat, total }: Price) {
  const { tariff } = session;
  return {
    total_cost: { excl_vat: tokens(total - vat), incl_vat: tokens(total) },
    total_fixed_cost: price(start + adjustment, tariff.vat),
    total_energy_cost: price(energy, tariff.vat),
    total_time_cost: price(charging, tariff.vat),
    total_parking_cost: price(idle, tariff.vat),
  };
}

const chargingSeconds = ({ usage }: Session): number =>
  usage.seconds.reduce((sum, seconds) => sum + seconds, 0);

/** What a session costs so far, as OCPP 2.1 tells it: by the tariff that its ticks are priced with. Energy in kWh. */
export function costDetailsOf(session: Session, currency: string): Readonly<Record<string, unknown>> {
  const due = priceSoFar(session) ?? priceOfNothing(session);
  const { start, energy, time: charging, idle, adjustment, vat, total } = due;
  const part = (units: number) => {
    const { excl_vat: exclTax, incl_vat: inclTax } = price(units, session.tariff.vat);
    return { exclTax, inclTax };
  };
  return {
    totalCost: {
      currency,
      typeOfCost: adjustment > 0 ? 'MinCost' : adjustment < 0 ? 'MaxCost' : 'NormalCost',
      fixed: part(start + adjustment),
      energy: part(energy),
      chargingTime: part(charging),
      idleTime: part(idle),
      total: { exclTax: tokens(total - vat), inclTax: tokens(total) },
    },
    totalUsage: {
      energy: (session.register?.energy ?? 0) / 1000,
      chargingTime: chargingSeconds(session),
      idleTime: session.usage.idle,
    },
  };
}

/** What a central system above is told of a session that was settled. */
export function settlementOf(session: Session, currency: string): Settlement {
  const { transaction, settled, chargePoint } = session;
  const id = transaction!.id;
  return {
    transactionId: id.slice(0, 36),
    pspRef: transaction!.token ?? tokenOf(session),
    settlementAmount: tokens(paidOf(session)),
    settlementTime: time(settled!.at),
    receiptId: `${chargePoint}-${id}`.slice(0, 50),
    statusInfo: [currency, settled!.transaction].filter((part) => part !== undefined).join(' '),
  };
}

/** Seconds of charging and of idling, in hours. */
const times = (session: Session) => ({
  total_time: hours(chargingSeconds(session) + session.usage.idle),
  total_parking_time: hours(session.usage.idle),
});

/** What the gateway adds: what was paid, in units, what of it could not be given back, and why it ended. */
export function sundialPart(session: Session) {
  const due = priceSoFar(session)?.total ?? 0;
  const paid = paidOf(session);
  const { streams, ended, transaction, connector, chargePoint, protocol, signed, settled } = session;
  return {
    charge_point: chargePoint,
    connector,
    protocol,
    transaction: transaction?.id,
    token: transaction?.token,
    reason: ended?.reason,
    wh: session.register?.energy ?? 0,
    minutes: Math.round(
      ((ended?.at ?? session.openedAt) - (transaction?.startedAt ?? session.openedAt)) / 60,
    ),
    due,
    paid,
    unpaid: Math.max(0, due - paid),
    to_return: Math.max(0, paid - due),
    settled: settled && { at: time(settled.at), transaction: settled.transaction },
    vouchers: streams.flatMap(({ voucher, channel, k, tickValue, credited }) =>
      voucher === undefined ? [] : [{ voucher, channel, ticks: k, tick_value: tickValue, credited }],
    ),
    signed_records: signed.map(({ at, format, data, publicKey, verified }) => ({
      at,
      format,
      verified,
      public_key: publicKey,
      data,
    })),
  };
}

/** The CDR. `last_updated` is the moment at which the session was closed. */
export function cdrOf(session: Session, party: Party): Readonly<Record<string, unknown>> {
  const { transaction, tariff, usage, ended, connector, chargePoint, openedAt, closedAt, register, signed } =
    session;
  const started = transaction?.startedAt ?? openedAt;
  const end = ended?.at ?? register?.at ?? started;
  const { countryCode: country_code, partyId: party_id, currency } = party;
  const kwh = (register?.energy ?? 0) / 1000;
  return {
    country_code,
    party_id,
    id: `${chargePoint}-${transaction?.id ?? session.id}`.slice(0, 39),
    start_date_time: time(started),
    end_date_time: time(end),
    session_id: `${chargePoint}-${transaction?.id ?? session.id}`.slice(0, 36),
    cdr_token: {
      country_code,
      party_id,
      uid: (transaction?.token ?? tokenOf(session)).slice(0, 36),
      type: 'AD_HOC_USER',
      contract_id: session.streams.at(-1)?.voucher?.slice(0, 36) ?? 'none',
    },
    auth_method: 'COMMAND',
    cdr_location: {
      id: chargePoint.slice(0, 36),
      evse_uid: `${chargePoint}-${connector}`.slice(0, 36),
      connector_id: String(connector),
    },
    currency,
    tariffs: [{ country_code, party_id, id: tariff.id, currency }],
    charging_periods: [
      {
        start_date_time: time(started),
        dimensions: [
          { type: 'ENERGY', volume: kwh },
          { type: 'TIME', volume: hours(chargingSeconds(session)) },
          ...(usage.idle > 0 ? [{ type: 'PARKING_TIME', volume: hours(usage.idle) }] : []),
        ],
        tariff_id: tariff.id,
      },
    ],
    ...(signed.length > 0 && {
      signed_data: {
        encoding_method: signed[0]!.format.slice(0, 36),
        ...(signed[0]!.publicKey !== undefined && { public_key: signed[0]!.publicKey }),
        signed_values: [signed[0]!, signed.at(-1)!].map(({ data }, i) => ({
          nature: i === 0 ? 'Start' : 'End',
          plain_data: data,
          signed_data: data,
        })),
      },
    }),
    ...costs(session, transaction === undefined ? priceOfNothing(session) : priceOf(tariff, usage)),
    total_energy: kwh,
    ...times(session),
    last_updated: time(closedAt ?? end),
    sundial: sundialPart(session),
  };
}

/** Nothing was begun, so nothing is due. */
const priceOfNothing = ({ tariff, usage }: Session): Price => {
  const free = priceOf({ ...tariff, start: 0 as never, least: 0 as never }, usage);
  return free;
};

/** `sundial sim --from FLASH --from-ledger FOLDER`: says what was found, goes on from it, and says what came of it. */
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import { dateText } from '../../hardware/boards/node/cli/date.ts';
import { plain } from '../../hardware/boards/node/cli/output.ts';
import { formatMoney } from '../../hardware/boards/node/cli/money.ts';
import { SundialError } from '../../protocol/errors.ts';
import { type Debt, debtsOf } from '../found/debts.ts';
import { type FoundDevice, readFound } from '../found/device.ts';
import { type FoundHub, readFoundHub } from '../found/hub.ts';
import { FoundWorld } from '../found/world.ts';

/** Hours that it goes on unless the command says otherwise: two settlements, and what follows them. */
const HOURS = 3;
/** Devices at most: each image is a few megabytes. */
const DEVICES_MAX = 64;

interface Flags {
  readonly from?: readonly string[];
  readonly fromLedger?: string;
  readonly hours?: number;
  readonly days?: number;
  readonly seed: number;
  readonly json: boolean;
}

/** What a device was found to be. */
function stateWords(found: FoundDevice): string[] {
  const { name, path, folder, records, damage } = found;
  const who = folder === undefined ? found.kind : folder.file.role;
  const lines = [`${name}, a ${who} (${path}): ${records} records`];
  if (damage !== undefined)
    lines.push(
      `frozen: ${damage.code}, ${damage.message}`,
      'what still checks is told below, is handed in, and nothing more is signed',
    );
  else lines.push('its journal is sound');
  if (folder === undefined)
    lines.push(
      'no device.json beside it: its key and its hub are not known, so it is told and not gone on with',
    );
  if (found.kind === 'payer') {
    const { channel, seq, spent, lease, time } = found.books;
    lines.push(`channel ${channel ?? 'none'}: ${seq} vouchers, ${formatMoney(spent)} spent`);
    lines.push(
      lease === undefined
        ? 'no lease: it can pay nobody until it meets its hub'
        : `a lease up to ${formatMoney(lease.spendLimit)} until ${dateText(lease.expiresAt)}, ${formatMoney(lease.spendLimit - spent)} of it left`,
    );
    lines.push(time === 0 ? 'it never heard the time' : `the newest time it heard is ${dateText(time)} UTC`);
  } else {
    const { counts, lanes, time, member } = found.books;
    lines.push(
      `${counts.accepted} vouchers and ${counts.ticks} ticks taken, ${counts.voided} void, ${counts.acknowledged} acknowledged, ${lanes.length} channels known`,
    );
    lines.push(
      member === undefined ? 'it is a member of no scope' : `a member until ${dateText(member.expiresAt)}`,
    );
    lines.push(time === 0 ? 'it never heard the time' : `the newest time it heard is ${dateText(time)} UTC`);
  }
  return lines;
}

const debtWords = (debts: readonly Debt[]): string[] =>
  debts.length === 0
    ? ['owes nobody anything']
    : debts.map(
        ({ to, words }) => `owes ${to === 'hub' || to === 'payer' ? `the ${to}` : `a ${to}`}: ${words}`,
      );

const hubWords = ({ path, records, history, registry, at }: FoundHub): string[] => [
  `the hub (${path}): ${records} records, sound; ${Object.keys(registry.devices).length} devices, ${Object.keys(registry.heads).length} channels`,
  `the newest time in it is ${dateText(at)} UTC`,
  ...history.open.map(
    ({ newest: { batch, rows } }) =>
      `settlement ${batch} with ${rows.length} rows was signed, and what became of it is not written: here it never arrived, and is planned anew`,
  ),
];

const indent = (lines: readonly string[]): string =>
  lines.map((line, i) => `${i === 0 ? '' : '  '}${line}\n`).join('');

const clock = (seconds: number): string =>
  [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');

function hoursOf({ hours, days }: Flags): number {
  return hours ?? (days === undefined ? HOURS : 24 * days);
}

/**
 * Reads, tells, goes on and tells again. Rejects with what an image or a folder is refused with: `no_flash`, `no_ledger`,
 * `ledger_corrupt`, `bad_device_file`, `other_site`, ... The process ends with 1 when a device was frozen.
 */
export async function runFound(flags: Flags): Promise<void> {
  const paths = flags.from ?? [];
  if (paths.length > DEVICES_MAX)
    throw new SundialError('too_many', `${paths.length} devices`, {
      severity: 'call',
      remedy: `Name ${DEVICES_MAX} at most.`,
    });
  const devices = paths.map(readFound);
  const hub = flags.fromLedger === undefined ? undefined : await readFoundHub(flags.fromLedger);
  const say = (lines: readonly string[]): void => {
    if (!flags.json) process.stdout.write(indent(lines));
  };
  for (const found of devices) say([...stateWords(found), ...debtWords(debtsOf(found))]);
  if (hub !== undefined) say(hubWords(hub));
  const world = FoundWorld.of(devices, hub, loadCrypto().suite, flags.seed);
  if (world !== undefined) {
    await world.run(hoursOf(flags));
    tell(world, hub, hoursOf(flags), say);
  } else say(['Nothing says for which vault these sign, so nobody goes on.']);
  const frozen = devices.filter(({ damage }) => damage !== undefined);
  if (flags.json) process.stdout.write(`${JSON.stringify(lineOf(devices, hub, world), plain)}\n`);
  if (frozen.length > 0) process.exitCode = 1;
}

function tell(
  world: FoundWorld,
  hub: FoundHub | undefined,
  hours: number,
  say: (lines: readonly string[]) => void,
): void {
  if (hub !== undefined) say(['the hub', ...debtWords(world.hubOwed)]);
  else
    say([
      'No hub was given: one is made up here, with an empty ledger and more than enough behind each channel.',
    ]);
  say([
    `It goes on from ${dateText(world.world.startSeconds)} UTC, ${hours} h of virtual time:`,
    ...world.happened.map(({ atSeconds, who, words }) => `${clock(atSeconds)} ${who} ${words}`),
  ]);
  for (const living of world.living)
    say([
      `then ${living.device.name}${living.device.frozen ? ' (frozen)' : ''}`,
      ...debtWords(world.debtsNow(living)),
    ]);
  say(['then the hub', ...debtWords(world.hubDebts)]);
}

/** The same for a program. Amounts in units, times in Unix seconds. */
function lineOf(devices: readonly FoundDevice[], hub: FoundHub | undefined, world: FoundWorld | undefined) {
  return {
    ok: devices.every(({ damage }) => damage === undefined),
    startsAt: world?.world.startSeconds,
    devices: devices.map((found) => {
      const living = world?.living.find((one) => one.found === found);
      return {
        name: found.name,
        role: found.folder?.file.role,
        kind: found.kind,
        address: found.folder?.address,
        records: found.records,
        frozen: found.damage && { code: found.damage.code, message: found.damage.message },
        owed: debtsOf(found),
        goesOn: living !== undefined,
        owes: living && world?.debtsNow(living),
      };
    }),
    hub: hub && {
      records: hub.records,
      devices: Object.keys(hub.registry.devices).length,
      openSettlements: hub.history.open.map(({ newest }) => newest.batch),
      owed: world?.hubOwed,
      owes: world?.hubDebts,
    },
    happened: world?.happened,
  };
}

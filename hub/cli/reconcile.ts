/**
 * Device journals, hub ledger and vault, side by side: per channel and per lane, to the last unit. Journals are read
 * from copies of the flash files, so running devices are not disturbed.
 */
import { Vault } from '../l2/vault.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { payerBooksOf, readDevice, terminalBooksOf } from '../../hardware/boards/node/cli/device-folder.ts';
import { formatMoney } from '../../hardware/boards/node/cli/money.ts';
import type { HubChannel, HubStatus } from './hub-status.ts';
import type { Site } from './site.ts';

/** One (channel, payee) pair as each of the four sees it, in units. `undefined`: it doesn't know the lane. */
export interface LaneRow {
  readonly channel: number;
  readonly payee: string;
  readonly payer: number;
  readonly terminals: number | undefined;
  readonly hub: number | undefined;
  readonly vault: number;
  readonly agree: boolean;
  /** Behind each other, as money is that the next one has not heard of yet; what agrees is not. */
  readonly inFlight: boolean;
}

/** What the vault holds of one site. Amounts in units. */
export interface VaultFigures {
  readonly deposited: number;
  /** Net of credits. */
  readonly settled: number;
  /** Bonds, pots and the reserve included. */
  readonly held: number;
  readonly returned: number;
}

/** What devices, ledger and vault say of each other. */
export interface Reconciliation {
  readonly lanes: readonly LaneRow[];
  readonly vault: VaultFigures;
  /** deposited = settled + held + returned, on chain. */
  readonly conserved: boolean;
  readonly reconciled: boolean;
  /** Lanes that no money in flight explains. */
  readonly different: number;
}

/** Reads everything. `hub` undefined: its column stays empty and nothing reconciles. */
export async function reconcile(site: Site, hub: HubStatus): Promise<Reconciliation> {
  const vault = await Vault.connect(site.rpcUrl, site.vault);
  const hubChannels = await hub.channels();
  const lanes: LaneRow[] = [];
  for (const device of site.devices) {
    if (device.role !== 'wearable' && device.role !== 'car') continue;
    const books = payerBooksOf(readDevice(device.state, device.role));
    const known = hubChannels.find((entry) => entry.channel === device.channel);
    for (const lane of books.lanes) {
      lanes.push(await laneRow(site, vault, known, device.channel!, lane.payee, lane.paid));
    }
  }
  const figures = await vaultFigures(site, vault);
  const conserved = figures.deposited === figures.settled + figures.held + figures.returned;
  return {
    lanes,
    vault: figures,
    conserved,
    different: lanes.filter((lane) => !lane.agree && !lane.inFlight).length,
    reconciled: conserved && lanes.length > 0 && lanes.every((lane) => lane.agree),
  };
}

async function laneRow(
  site: Site,
  vault: Vault,
  known: HubChannel | undefined,
  channel: number,
  payee: Uint8Array,
  payer: number,
): Promise<LaneRow> {
  const payeeText = toHex(payee);
  let terminals: number | undefined;
  for (const device of site.devices) {
    if ((device.role !== 'pos' && device.role !== 'charger') || device.payee !== payeeText) continue;
    const lane = terminalBooksOf(readDevice(device.state, device.role)).lanes.find(
      (entry) => entry.channel === channel,
    );
    if (lane !== undefined) terminals = Math.max(terminals ?? 0, lane.base);
  }
  const hub = known?.lanes.find((lane) => lane.payee === payeeText)?.top;
  const settled = await vault.readLane(channel, payee);
  const agree = payer === terminals && payer === hub && payer === settled;
  // A payer's intent comes first, then the terminal, then the hub, then L2: none can know more than the one before.
  const inFlight =
    !agree && payer >= (terminals ?? 0) && (terminals ?? 0) >= (hub ?? 0) && (hub ?? 0) >= settled;
  return { channel, payee: payeeText, payer, terminals, hub, vault: settled, agree, inFlight };
}

/** Every figure comes from the chain: channel states, payee balances, and the events of withdrawals and exits. */
async function vaultFigures(site: Site, vault: Vault): Promise<VaultFigures> {
  let deposited = 0;
  let held = await vault.readReserve();
  const channels = await vault.readChannelCount();
  for (let channel = 1; channel <= channels; channel += 1) {
    const state = await vault.readChannel(channel);
    deposited += state.deposited;
    held += state.free + state.bond + (await vault.readPot(channel)).left;
  }
  let settled = 0;
  for (const payee of new Set(site.devices.flatMap((device) => device.payee ?? [])))
    settled += await vault.readPayeeBalance(fromHex(payee));
  let returned = 0;
  for (const event of await vault.events(BigInt(site.startBlock))) {
    if (event.eventName === 'Withdrawn') settled += event.args.amount;
    if (event.eventName === 'ExitFinished' && event.args.successor === 0) returned += event.args.returned;
  }
  return { deposited, settled, held, returned };
}

const money = (units: number | undefined): string =>
  (units === undefined ? '-' : formatMoney(units)).padStart(12);

/** The table that people read. */
export function reconciliationTable({ lanes, vault, conserved }: Reconciliation): string {
  const head = `channel  payee         ${['payer', 'terminals', 'hub ledger', 'vault'].map((name) => name.padStart(12)).join('')}`;
  const rows = lanes.map(
    (lane) =>
      `${String(lane.channel).padEnd(9)}${lane.payee.slice(0, 12)}  ${money(lane.payer)}${money(lane.terminals)}${money(lane.hub)}${money(lane.vault)}  ${lane.agree ? 'equal' : lane.inFlight ? 'on its way' : 'DIFFERENT'}`,
  );
  const sum = `vault: deposited ${formatMoney(vault.deposited)} = settled ${formatMoney(vault.settled)} + held ${formatMoney(vault.held)} + returned ${formatMoney(vault.returned)}  ${conserved ? 'holds' : 'DOES NOT HOLD'}`;
  return [head, ...rows, sum].join('\n');
}

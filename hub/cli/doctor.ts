/**
 * What is wrong, whom it hits, why, and what to do next: from facts that were gathered (doctor-facts.ts), in the order
 * impact first, then from the outside in. Pure, so that every finding can be shown without breaking anything.
 */
import { formatMoney } from '../../hardware/boards/node/cli/money.ts';

/** Whom it hits. */
export type Impact = 'all' | 'merchant' | 'device' | 'none';

/** One thing that is not as it should be. */
export interface Finding {
  readonly code: string;
  readonly impact: Impact;
  /** What was seen. */
  readonly cause: string;
  /** What to do. */
  readonly next: string;
}

/** A device as the hub lists it. */
export interface DoctorDevice {
  readonly name: string;
  readonly role: string;
  readonly address: string;
  readonly merchant?: string | undefined;
  readonly online: boolean;
  readonly registered: boolean;
  readonly revokedAt?: number | undefined;
  readonly certificateExpiresAt?: number | undefined;
  readonly syncedAt?: number | undefined;
}

/** What was seen; absent where it could not be. */
export interface Facts {
  readonly nowSeconds: number;
  readonly hubUrl: string | undefined;
  /** Why it gave no answer. */
  readonly hubAway: string | undefined;
  readonly reasons: readonly string[];
  readonly nodes: readonly {
    readonly url: string;
    readonly trouble?: string | undefined;
    readonly chainId?: number | undefined;
    readonly blockAt?: number | undefined;
  }[];
  readonly chainId: number;
  readonly brokerUrl: string | undefined;
  readonly brokerTrouble: string | undefined;
  readonly diskFreeBytes: number | undefined;
  readonly openFiles: readonly string[];
  readonly accounts: readonly {
    readonly name: string;
    readonly address: string;
    readonly wei: bigint | undefined;
  }[];
  readonly keySecondsLeft: number | undefined;
  readonly settleTrouble: string | undefined;
  readonly oldestUnsettled: number | undefined;
  readonly ledgerPhase: string | undefined;
  readonly devices: readonly DoctorDevice[];
}

const DAY = 86_400;
/** A segment of the ledger and a snapshot of the registry must fit, with room for a while. */
const DISK_MIN_BYTES = 512 * 1024 * 1024;
const KEY_MIN_SECONDS = 5 * DAY;
const CERTIFICATE_MIN_SECONDS = 30 * DAY;
/** A day of settlements on a cheap chain. */
const GAS_MIN_WEI = 10n ** 15n;
const CLOCK_MAX_SECONDS = 300;
const UNSETTLED_MAX_SECONDS = DAY;
const SILENT_SECONDS = DAY;

const ORDER: readonly Impact[] = ['all', 'merchant', 'device', 'none'];
const date = (at: number): string =>
  `${new Date(at * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** All that is found, what hits most people first. */
export function diagnose(facts: Facts): Finding[] {
  const found = [
    ...hubFindings(facts),
    ...chainFindings(facts),
    ...brokerFindings(facts),
    ...keepFindings(facts),
    ...deviceFindings(facts),
  ];
  return found
    .map((finding, at) => ({ finding, at }))
    .sort((a, b) => ORDER.indexOf(a.finding.impact) - ORDER.indexOf(b.finding.impact) || a.at - b.at)
    .map(({ finding }) => finding);
}

function* hubFindings(facts: Facts): Generator<Finding> {
  if (facts.hubAway !== undefined)
    yield {
      code: 'hub_away',
      impact: 'all',
      cause: `the hub does not answer at ${facts.hubUrl ?? 'any address'}: ${facts.hubAway}`,
      next: 'Start it: `sundial hub`. Devices go on with no network meanwhile, and keep what they sold.',
    };
  for (const reason of facts.reasons)
    yield { code: 'not_ready', impact: 'all', cause: reason, next: 'See hub/RUNBOOK.md, "HubNotReady".' };
}

function* chainFindings({
  nodes,
  chainId,
  nowSeconds,
  accounts,
  settleTrouble,
  oldestUnsettled,
}: Facts): Generator<Finding> {
  for (const node of nodes) {
    if (node.trouble !== undefined)
      yield {
        code: 'chain_away',
        impact: nodes.every(({ trouble }) => trouble !== undefined) ? 'all' : 'none',
        cause: `the chain's node at ${node.url}: ${node.trouble}`,
        next: 'Look whether this machine reaches it; name a second node of another provider in chain.rpcUrl.',
      };
    else if (node.chainId !== chainId)
      yield {
        code: 'wrong_chain',
        impact: 'all',
        cause: `${node.url} is on chain ${node.chainId}, hub.json says ${chainId}`,
        next: 'Correct chain.rpcUrl in hub.json.',
      };
    else if (node.blockAt !== undefined && Math.abs(nowSeconds - node.blockAt) > CLOCK_MAX_SECONDS)
      yield {
        code: 'clock_or_chain',
        impact: 'all',
        cause: `the newest block of ${node.url} is of ${date(node.blockAt)}, this machine's clock says ${date(nowSeconds)}`,
        next: 'Set the clock (timedatectl); if it is right, the chain stands still: nothing is leased until it goes on.',
      };
  }
  for (const { name, address, wei } of accounts)
    if (wei !== undefined && wei < GAS_MIN_WEI)
      yield {
        code: 'no_gas',
        impact: name === 'settlement' ? 'merchant' : 'none',
        cause: `the ${name} account ${address} has ${wei} wei left`,
        next: `Send gas money to ${address}.`,
      };
  if (settleTrouble !== undefined)
    yield {
      code: 'settlement',
      impact: 'merchant',
      cause: settleTrouble,
      next: 'hub/README.md, "Gas", says what to do by name.',
    };
  if (oldestUnsettled !== undefined && nowSeconds - oldestUnsettled > UNSETTLED_MAX_SECONDS)
    yield {
      code: 'settlement_late',
      impact: 'merchant',
      cause: `the oldest payment that is not on L2 is of ${date(oldestUnsettled)}`,
      next: 'Run `sundial settle`; when it stays, look at small lanes and unregistered payees in `GET /status`.',
    };
}

function* brokerFindings({ brokerUrl, brokerTrouble }: Facts): Generator<Finding> {
  if (brokerTrouble !== undefined)
    yield {
      code: 'broker_away',
      impact: 'all',
      cause: `the broker at ${brokerUrl}: ${brokerTrouble}`,
      next: 'Start it, or correct mqtt.url in hub.json. Devices keep what they sold until it is back.',
    };
}

function* keepFindings({ diskFreeBytes, openFiles, keySecondsLeft, ledgerPhase }: Facts): Generator<Finding> {
  if (ledgerPhase !== undefined && ledgerPhase !== 'writing')
    yield {
      code: 'ledger_waits',
      impact: 'all',
      cause: `the ledger is ${ledgerPhase}`,
      next: 'Make room on its disk, and look into the log of the kernel: nothing is acknowledged until it writes again.',
    };
  if (diskFreeBytes !== undefined && diskFreeBytes < DISK_MIN_BYTES)
    yield {
      code: 'disk_fills',
      impact: 'all',
      cause: `${Math.floor(diskFreeBytes / 1024 / 1024)} MiB are left on the disk of the ledger`,
      next: 'Make room: a full disk stops acknowledgements.',
    };
  if (keySecondsLeft !== undefined && keySecondsLeft < KEY_MIN_SECONDS)
    yield {
      code: 'hub_key_ends',
      impact: 'all',
      cause:
        keySecondsLeft <= 0
          ? 'the hub has no certified key'
          : `its key ends in ${(keySecondsLeft / DAY).toFixed(1)} days`,
      next: 'Certify the next one where the root is: `sundial hub-key certify`, then `sundial hub-key install`.',
    };
  for (const path of openFiles)
    yield {
      code: 'key_readable',
      impact: 'none',
      cause: `${path} can be read by others`,
      next: `Run \`chmod 600 ${path}\`.`,
    };
}

function* deviceFindings({ devices, nowSeconds }: Facts): Generator<Finding> {
  for (const device of devices) {
    if (device.revokedAt !== undefined) continue;
    const whose = device.merchant === undefined ? '' : ` of ${device.merchant}`;
    const who = `${device.name}${whose}`;
    const left = (device.certificateExpiresAt ?? Infinity) - nowSeconds;
    if (left < CERTIFICATE_MIN_SECONDS)
      yield {
        code: 'certificate_ends',
        impact: 'device',
        cause: `the certificate of ${who} ${left <= 0 ? 'ended' : 'ends'} ${date(device.certificateExpiresAt!)}`,
        next: 'Enrol it anew in another folder once its outbox is empty.',
      };
    if (!device.registered)
      yield {
        code: 'never_came',
        impact: 'device',
        cause: `${who} was enrolled and has never met the hub`,
        next: 'Start it where it reaches the broker: before its first contact it accepts nothing.',
      };
    else if (!device.online && device.syncedAt !== undefined && nowSeconds - device.syncedAt > SILENT_SECONDS)
      yield {
        code: 'device_silent',
        impact: 'device',
        cause: `${who} has handed nothing in since ${date(device.syncedAt)}`,
        next: 'Give it a network: what it sold since is only there.',
      };
  }
}

/** A sentence about a payment that somebody calls about. */
export function paymentWords(
  payments: readonly {
    readonly id: string;
    readonly amount: number;
    readonly state: string;
    readonly at: number;
  }[],
): string {
  if (payments.length === 0)
    return 'No such payment is in the ledger. If a till said approved, it still has it: `sundial terminal list` shows which tills were silent.';
  if (payments.length === 1) {
    const [{ state, amount, at }] = payments as [(typeof payments)[number]];
    return `One: ${formatMoney(amount)} of ${date(at)}, ${state}.`;
  }
  return `${payments.length} fit. Two of one amount at one till within a minute may be one customer who paid twice: compare their channels.`;
}

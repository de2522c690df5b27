/** What L2 answers, as errors for people: which rule of the vault said no, or who is not there. */
import { BaseError, decodeErrorResult, type Hex } from 'viem';
import { mandatesAbi } from '../l2/mandates-abi.ts';
import { timelockAbi, vaultAbi } from '../l2/abi.ts';
import { registryAbi } from '../l2/registry-abi.ts';
import { SundialError } from '../../protocol/errors.ts';

/** What helps against the refusals that an owner or a payee can meet. */
const REMEDIES: Readonly<Record<string, string>> = {
  UnknownChannel: 'Give the number of a channel that was opened in this vault.',
  NothingDeposited: 'Give an --amount above 0.',
  ChannelLeaving:
    'Its exit was started before, or its payer was proved dishonest: nothing can be added or changed.',
  NoExit: 'Start the exit first: the same command without --finish.',
  ExitNotReady: 'Wait: the delay lets every payee settle first. `channel show` says when it is over.',
  NotAllowed:
    'Only the account that the vault names for it may: the owner of a channel, or whom it was offered to.',
  OfferNotReady: 'Wait: an offer of the recovery account leaves the owner 30 days to say no.',
  VaultFull: 'The vault counts in 48 bits (281,474,976.710655 TIME in all): deposit less.',
  PayoutIsSealed: 'Its payout is fixed: anybody sends it there with `sundial withdraw`.',
  PayoutIsFixed: 'Its money goes to one account only, and this is another one.',
  NotThePayees: 'It was carried before, or signed for another nonce: sign it anew.',
  WithdrawalOver: 'Its deadline is over: sign it anew.',
  FeeTooLarge: 'Give a --fee of at most the amount.',
  SettlerKnown: 'It is one already: `sundial hub settler list` says from when on it counts.',
  NoSettler: 'It is none, or not any more: see `sundial hub settler list`.',
  AccessControlUnauthorizedAccount: "Give the proposer's key: only that account asks the timelock.",
  FeeAgreed: 'The payee agreed to a rate before, and the first stands.',
  WrongRate: 'Give a rate of 1 to 100 ten-thousandths.',
  KeyKnown: 'L2 has this certificate, or a later one of the same key.',
  KeyRevoked: 'The root took this key back, for ever: certify another one.',
  LogTooFast: 'The log grew faster than the registry believes: anchor it again in an hour.',
  ChangeWaits: 'An earlier change of this accreditation is under way: repeat it when that took effect.',
  P256Missing:
    'This chain pays no devices with P-256 keys: take a chain with P256VERIFY, or a device with another key.',
  Frozen: 'The guardian froze the vault; try again when the freeze is over.',
  BalanceTooSmall: 'Give a smaller --amount.',
};

/** Of the vault, and of mandates and registry where they say no themselves. */
const ERRORS = [...vaultAbi, ...mandatesAbi, ...registryAbi, ...timelockAbi];

/** The error that people are shown for one of viem's: `vault_refused`, `chain_away` or `chain_refused`; others as they are. */
export function namedForL2(error: unknown): unknown {
  if (!(error instanceof BaseError)) return error;
  const data = revertOf(error);
  if (data !== undefined) {
    const { errorName, args = [] } = decodeErrorResult({ abi: ERRORS, data });
    return new SundialError('vault_refused', `${errorName}(${args.join(', ')})`, {
      severity: 'call',
      remedy: REMEDIES[errorName] ?? 'contracts/README.md says when the vault answers so.',
      cause: error,
    });
  }
  const away = error.walk((cause) => ['HttpRequestError', 'TimeoutError'].includes((cause as Error).name));
  if (away !== null) {
    const { url = 'its address' } = away as { url?: string };
    if (!/^https?:\/\//.test(url) || !URL.canParse(url))
      return new SundialError('bad_url', `"${url}" is no address of a node`, {
        severity: 'call',
        remedy: 'Give the RPC of a node of that chain: http://host:port or https://host/path.',
        cause: error,
      });
    return new SundialError('chain_away', `the chain's node at ${url} does not answer`, {
      severity: 'call',
      remedy: /\/\/(127\.|localhost|\[::1\])/.test(url)
        ? 'It was a local one: start it again (`npm start` keeps its own running while it runs).'
        : 'Look whether this machine reaches it, or name another node of the same chain.',
      cause: error,
    });
  }
  if (/insufficient funds/i.test(`${error.shortMessage} ${error.details}`))
    return new SundialError('no_gas', 'the account that signs has no gas money', {
      severity: 'call',
      remedy:
        "Send some of the chain's own coin to it; `sundial payee list` and `sundial init` print addresses.",
      cause: error,
    });
  return new SundialError('chain_refused', error.shortMessage, {
    severity: 'call',
    remedy: error.details || 'See what the node says.',
    cause: error,
  });
}

/** The name of the rule that said no, `WrongTerm` for instance; undefined when it was something else that failed. */
export function refusalOf(error: unknown): string | undefined {
  const data = error instanceof BaseError ? revertOf(error) : undefined;
  return data === undefined ? undefined : decodeErrorResult({ abi: ERRORS, data }).errorName;
}

/** The bytes of a refusal: as data of an RPC error, or in its words where a node shows them only there. */
function revertOf(error: BaseError): Hex | undefined {
  const holder = error.walk((cause) => isOurs((cause as { data?: unknown }).data));
  if (holder !== null) return (holder as unknown as { data: Hex }).data;
  const shown = /custom error (0x[0-9a-f]{8})(?:: ([0-9a-f]*))?/.exec(error.details ?? '');
  const data = shown === null ? undefined : (`${shown[1]}${shown[2] ?? ''}` as Hex);
  return isOurs(data) ? data : undefined;
}

function isOurs(data: unknown): data is Hex {
  if (typeof data !== 'string' || !data.startsWith('0x') || data.length < 10) return false;
  try {
    decodeErrorResult({ abi: ERRORS, data: data as Hex });
    return true;
  } catch {
    // Bytes of somebody else's error.
    return false;
  }
}

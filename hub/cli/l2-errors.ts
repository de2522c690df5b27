/** What L2 answers, as errors for people: which rule of the vault said no, or who is not there. */
import { BaseError, decodeErrorResult, type Hex } from 'viem';
import { vaultAbi } from '../l2/abi.ts';
import { SundialError } from '../../protocol/errors.ts';

/** What helps against the refusals that an owner or a payee can meet. */
const REMEDIES: Readonly<Record<string, string>> = {
  UnknownChannel: 'Give the number of a channel that was opened in this vault.',
  NothingDeposited: 'Give an --amount above 0.',
  ChannelLeaving:
    'Its exit was started before, or its payer was proved dishonest: nothing can be added or changed.',
  NoExit: 'Start the exit first: the same command without --finish.',
  ExitNotReady: 'Wait: the delay lets every payee settle first. `channel show` says when it is over.',
  NotAllowed: 'Only the owner of the channel may.',
  Frozen: 'The guardian froze the vault; try again when the freeze is over.',
  BalanceTooSmall: 'Give a smaller --amount.',
};

/** The error that people are shown for one of viem's: `vault_refused`, `chain_away` or `chain_refused`; others as they are. */
export function namedForL2(error: unknown): unknown {
  if (!(error instanceof BaseError)) return error;
  const data = revertOf(error);
  if (data !== undefined) {
    const { errorName, args = [] } = decodeErrorResult({ abi: vaultAbi, data });
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

/** The bytes of a custom error of the vault, wherever viem keeps them. */
function revertOf(error: BaseError): Hex | undefined {
  const holder = error.walk((cause) => isVaultError((cause as { data?: unknown }).data));
  return (holder as { data?: Hex } | null)?.data;
}

function isVaultError(data: unknown): boolean {
  if (typeof data !== 'string' || !data.startsWith('0x') || data.length < 10) return false;
  try {
    decodeErrorResult({ abi: vaultAbi, data: data as Hex });
    return true;
  } catch {
    // Bytes of somebody else's error.
    return false;
  }
}

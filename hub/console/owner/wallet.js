// The owner's wallet (EIP-1193, found by EIP-6963 or as window.ethereum), and the calls of the vault that an owner makes.
// All of their arguments are single words, so a call is a selector and its words; a test holds the selectors to the
// contracts. Keys stay in the wallet; this page sees accounts, and what they signed.

/** Selectors of what is called: token, vault and mandates. */
export const SELECTORS = {
  approve: '0x095ea7b3',
  balanceOf: '0x70a08231',
  allowance: '0xdd62ed3e',
  token: '0xfc0c546a',
  mandates: '0xd34d9d16',
  bondNeeded: '0xed49ba9f',
  readChannel: '0x7195b31f',
  clock: '0x91ddadf4',
  open: '0x1e855c64',
  openP256: '0xc045b656',
  topUp: '0x6ed9a9a1',
  startExit: '0xc3caa19e',
  finishExit: '0xe042339c',
};
/** First topics of events that name a new channel. */
export const TOPICS = {
  ChannelOpened: '0x1271f0bc483ced60a984a3f1d0af5f063b772495b7407dfcc4428fb2e135d48b',
  ExitFinished: '0x0f9bf175b49b4f32cb4d756cdf64c26d97647e3e4760e636ba7b220c9e17ffee',
};
/** Why the vault reverts, as far as an owner can meet it. */
const REVERTS = {
  '0x4dfe835b': 'The delay is not over yet.',
  '0x6e1cb201': 'No exit was started.',
  '0x9cb40a40': 'This account does not own the channel.',
};
export const NOBODY = `0x${'0'.repeat(40)}`;
/** No limit. */
export const NO_LIMIT = 2 ** 48 - 1;

/** What a wallet or L2 says no to, in words for people. */
export class WalletError extends Error {}

/** How often a transaction is looked for, milliseconds, and how often at most: some ten minutes. */
const LOOK_MS = 1_000;
const LOOKS_MAX = 600;
/** How long wallets have to say that they are there. */
const ANNOUNCED_MS = 200;

/** Wallets of this browser: `{ name, provider }`. */
export function findWallets() {
  const found = new Map();
  const announced = ({ detail }) => {
    if (typeof detail?.provider?.request === 'function')
      found.set(detail.info?.uuid ?? found.size, {
        name: String(detail.info?.name ?? ''),
        provider: detail.provider,
      });
  };
  addEventListener('eip6963:announceProvider', announced);
  dispatchEvent(new Event('eip6963:requestProvider'));
  return new Promise((resolve) => {
    setTimeout(() => {
      removeEventListener('eip6963:announceProvider', announced);
      const old = window.ethereum;
      if (found.size === 0 && typeof old?.request === 'function')
        found.set('old', { name: '', provider: old });
      resolve([...found.values()]);
    }, ANNOUNCED_MS);
  });
}

const word = (value) => {
  const digits = typeof value === 'string' ? value.replace(/^0x/, '') : BigInt(value).toString(16);
  return digits.toLowerCase().padStart(64, '0');
};
const dataOf = (name, args) => `${SELECTORS[name]}${args.map(word).join('')}`;
/** The n-th word of an answer. */
const at = (answer, n) => answer.slice(2 + 64 * n, 66 + 64 * n);
const numberAt = (answer, n) => Number(BigInt(`0x${at(answer, n)}`));
const addressAt = (answer, n) => `0x${at(answer, n).slice(24)}`;

/** The code of a revert, wherever a wallet hides it. */
function revertOf(error) {
  const parts = [
    error?.data,
    error?.data?.data,
    error?.data?.originalError?.data,
    error?.error?.data,
    error?.message,
  ];
  for (const part of parts)
    for (const [code] of typeof part === 'string' ? part.matchAll(/0x[0-9a-f]{8}/g) : [])
      if (REVERTS[code] !== undefined) return REVERTS[code];
  return undefined;
}

function inWords(error) {
  if (error instanceof WalletError) return error;
  if (error?.code === 4001) return new WalletError('You said no in the wallet.');
  return new WalletError(revertOf(error) ?? String(error?.message ?? error).slice(0, 300));
}

/** One wallet, on the chain of one hub: `place` is what GET /v1/place answers. */
export class Wallet {
  constructor(provider, place) {
    this.provider = provider;
    this.place = place;
  }

  async ask(method, params = []) {
    try {
      return await this.provider.request({ method, params });
    } catch (error) {
      throw inWords(error);
    }
  }

  /** The account that is chosen, lower case, on the hub's chain. */
  async account() {
    const [account] = await this.ask('eth_requestAccounts');
    if (typeof account !== 'string') throw new WalletError('The wallet has no account.');
    const wanted = `0x${this.place.chainId.toString(16)}`;
    if (Number(await this.ask('eth_chainId')) !== this.place.chainId) {
      await this.ask('wallet_switchEthereumChain', [{ chainId: wanted }]);
      if (Number(await this.ask('eth_chainId')) !== this.place.chainId)
        throw new WalletError(`Switch your wallet to chain ${this.place.chainId}.`);
    }
    return account.toLowerCase();
  }

  /** The chosen account, when it is the one that owns what is acted on. */
  async accountOf(owner) {
    const account = await this.account();
    if (owner !== undefined && account !== owner.toLowerCase())
      throw new WalletError(`Choose the account ${owner} in your wallet.`);
    return account;
  }

  /** Signs a text. */
  signText(account, text) {
    const hex = [...new TextEncoder().encode(text)]
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join('');
    return this.ask('personal_sign', [`0x${hex}`, account]);
  }

  /** Signs limits; `tap` and `day` in units, `at` in seconds. */
  signLimits(account, message) {
    const { chainId, vault } = this.place;
    const field = (name, type) => ({ name, type });
    const data = {
      domain: { name: 'Sundial', version: '1', chainId, verifyingContract: vault },
      primaryType: 'Limits',
      types: {
        EIP712Domain: [
          field('name', 'string'),
          field('version', 'string'),
          field('chainId', 'uint256'),
          field('verifyingContract', 'address'),
        ],
        Limits: [
          field('channel', 'uint32'),
          field('tap', 'uint48'),
          field('day', 'uint48'),
          field('at', 'uint40'),
        ],
      },
      message,
    };
    return this.ask('eth_signTypedData_v4', [account, JSON.stringify(data)]);
  }

  // ---- L2 ----

  read(to, name, ...args) {
    return this.ask('eth_call', [{ to, data: dataOf(name, args) }, 'latest']);
  }

  /** Sends a call; resolves with its receipt once it is in a block. */
  async send(from, to, name, ...args) {
    const hash = await this.ask('eth_sendTransaction', [{ from, to, data: dataOf(name, args) }]);
    for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
      const receipt = await this.ask('eth_getTransactionReceipt', [hash]);
      if (receipt !== null && receipt !== undefined) {
        if (Number(receipt.status) === 1) return receipt;
        throw new WalletError('L2 refused this transaction.');
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    throw new WalletError('The transaction is in no block yet; look in your wallet.');
  }

  /** A channel as the newest block has it, with the vault's clock. Units, seconds. */
  async channel(number) {
    const [view, clock] = await Promise.all([
      this.read(this.place.vault, 'readChannel', number),
      this.read(this.place.vault, 'clock'),
    ]);
    return {
      owner: addressAt(view, 0),
      payer: addressAt(view, 1),
      bond: numberAt(view, 4),
      free: numberAt(view, 5),
      exitReady: numberAt(view, 6),
      nextPayer: addressAt(view, 7) === NOBODY ? undefined : addressAt(view, 7),
      clock: numberAt(clock, 0),
    };
  }

  /** Units of the token that an account holds. */
  async balance(account) {
    const token = addressAt(await this.read(this.place.vault, 'token'), 0);
    return numberAt(await this.read(token, 'balanceOf', account), 0);
  }

  /** Lets `spender` take exactly so much, unless it may already: an act that was cut goes on. */
  async allow(account, spender, amount, say) {
    const token = addressAt(await this.read(this.place.vault, 'token'), 0);
    const held = numberAt(await this.read(token, 'balanceOf', account), 0);
    if (held < amount) throw new WalletError(`This account holds ${held / 1_000_000} TIME.`);
    if (BigInt(await this.read(token, 'allowance', account, spender)) >= BigInt(amount)) return;
    say('Allow the deposit in your wallet (1 of 2)…');
    await this.send(account, token, 'approve', spender, amount);
  }

  async bondNeeded(amount) {
    return numberAt(await this.read(this.place.vault, 'bondNeeded', amount), 0);
  }

  /** Opens a channel for a device: its address, or the 64 bytes of its P-256 key. Resolves with its number. */
  async open(account, device, amount, say) {
    const { vault } = this.place;
    const isKey = device.length === 130;
    const spender = isKey ? addressAt(await this.read(vault, 'mandates'), 0) : vault;
    const bond = await this.bondNeeded(amount);
    await this.allow(account, spender, amount, say);
    say('Confirm the deposit in your wallet (2 of 2)…');
    const receipt = isKey
      ? await this.send(
          account,
          spender,
          'openP256',
          account,
          device.slice(2, 66),
          device.slice(66),
          amount,
          bond,
          NOBODY,
        )
      : await this.send(account, vault, 'open', account, device, amount, bond);
    return openedIn(receipt);
  }

  async topUp(account, channel, amount, say) {
    const { vault } = this.place;
    const bond = await this.bondNeeded(amount);
    await this.allow(account, vault, amount, say);
    say('Confirm the deposit in your wallet (2 of 2)…');
    await this.send(account, vault, 'topUp', channel, amount, bond);
  }

  /** Starts to leave, or with `next` to hand what is left to a channel of another device. */
  startExit(account, channel, next = NOBODY) {
    return this.send(account, this.place.vault, 'startExit', channel, next);
  }

  /** Ends what was started: `returned` units went home, or `successor` is the new channel. */
  async finishExit(account, channel) {
    const receipt = await this.send(account, this.place.vault, 'finishExit', channel);
    const { data } = receipt.logs.find(({ topics }) => topics[0] === TOPICS.ExitFinished);
    return { returned: numberAt(data, 0), successor: numberAt(data, 2) || undefined };
  }
}

const openedIn = ({ logs }) =>
  Number(logs.find(({ topics }) => topics[0] === TOPICS.ChannelOpened).topics[1]);

/** The device that a text names, lower case: an address, 64 bytes of a P-256 key, or a link of this page with either. */
export function deviceIn(text) {
  const found = /(?:^|ethereum:|#\/open\/)(0x(?:[0-9a-fA-F]{128}|[0-9a-fA-F]{40}))(?![0-9a-fA-F])/.exec(
    text.trim(),
  );
  return found?.[1].toLowerCase();
}

/** Channel and number of the payment that a till's receipt is about; undefined for what is none of this vault. */
export function receiptIn(text, { chainId, vault }) {
  // What follows a second kind is the quote of a price in another currency.
  const found =
    /^sundial-receipt:(?:1|2(?=.*\.[\w-]+$))\.(\d{1,15})\.([0-9a-f]{40})\.[A-Z]{1,8}\.([\w-]{60,400})(?:\.[\w-]{1,1024})?$/.exec(
      text.trim(),
    );
  if (found === null || Number(found[1]) !== chainId || `0x${found[2]}` !== vault) return undefined;
  const bytes = atob(found[3].replaceAll('-', '+').replaceAll('_', '/'));
  const number = (from) => [0, 1, 2, 3].reduce((sum, i) => sum * 256 + bytes.charCodeAt(from + i), 0);
  return { channel: number(40), seq: number(44) };
}

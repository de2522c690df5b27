/** An owner's wallet as a page finds it in its browser: its keys are in the test's process, its node is a real chain's. */
import type { BrowserContext } from 'playwright-core';
import type { Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly code?: number; readonly message: string; readonly data?: unknown };
}

/** One wallet of one or more accounts; the first that is chosen is what pages are given. */
export class TestWallet {
  /** Its person says no to whatever is asked next. */
  declines = false;
  /** What its person is asked fails with these words. */
  broken: string | undefined;
  /** The chain that it is on; absent: its node's. */
  chainId: number | undefined;
  readonly asked: string[] = [];
  account: ReturnType<typeof privateKeyToAccount>;
  private readonly url: string;

  constructor(url: string, secret: Hex) {
    this.url = url;
    this.account = privateKeyToAccount(secret);
  }

  /** Puts the wallet into every page of a context, as `window.ethereum`. */
  async inject(context: BrowserContext): Promise<void> {
    await context.exposeFunction('walletRequest', (method: string, params: unknown[]) =>
      this.request(method, params),
    );
    await context.addInitScript(`window.ethereum = {
      request: async ({ method, params = [] }) => {
        const { result, error } = await window.walletRequest(method, params);
        if (error !== undefined) throw Object.assign(new Error(error.message), error);
        return result ?? null;
      },
    };`);
  }

  private async request(method: string, params: unknown[]): Promise<Answer> {
    this.asked.push(method);
    const wantsPerson = /^(personal_sign|eth_signTypedData_v4|eth_sendTransaction)$/.test(method);
    if (wantsPerson && this.declines) return { error: { code: 4001, message: 'User rejected the request.' } };
    if (wantsPerson && this.broken !== undefined) return { error: { message: this.broken } };
    switch (method) {
      case 'eth_requestAccounts':
      case 'eth_accounts':
        return { result: [this.account.address] };
      case 'eth_chainId':
        if (this.chainId !== undefined) return { result: `0x${this.chainId.toString(16)}` };
        break;
      case 'wallet_switchEthereumChain':
        this.chainId = undefined;
        return { result: null };
      case 'personal_sign':
        return { result: await this.account.signMessage({ message: { raw: params[0] as Hex } }) };
      case 'eth_signTypedData_v4': {
        const { types, ...data } = JSON.parse(params[1] as string);
        const { EIP712Domain: _, ...own } = types;
        return { result: await this.account.signTypedData({ ...data, types: own }) };
      }
    }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const headers = { 'content-type': 'application/json' };
    return (await (await fetch(this.url, { method: 'POST', headers, body })).json()) as Answer;
  }
}

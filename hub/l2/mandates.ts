/**
 * The mandates as owners and payees use them: deposits on a signature, channels that change hands, withdrawals that
 * anybody carries; and the splits that a payout may be fixed to. Money and ids are plain numbers (48 and 32 bits).
 */
import {
  type Address,
  bytesToHex,
  encodeFunctionData,
  type Hex,
  type LocalAccount,
  parseEventLogs,
  parseSignature,
  type PublicClient,
  type TransactionReceipt,
} from 'viem';
import { timeAbi } from './abi.ts';
import { send } from './chain.ts';
import { mandatesAbi, splitAbi, splitsAbi } from './mandates-abi.ts';

/** A channel to be opened; amounts in units. */
export interface Opening {
  readonly owner: Address;
  readonly payer: Address;
  readonly amount: number;
  readonly bond: number;
  /** May hand the channel on, slowly, should the owner's key be lost; absent: nobody. */
  readonly recovery?: Address | undefined;
}

/** A deposit that its funder signed for Permit2; anybody may carry it until `deadline` (seconds of chain time). */
export interface SignedTransfer {
  readonly from: Address;
  /** Any number that the funder didn't use with Permit2 before. */
  readonly nonce: bigint;
  readonly deadline: bigint;
  readonly signature: Hex;
}

/** A withdrawal as its payee signed it; anybody may carry it until `deadline` (seconds of chain time). */
export interface SignedWithdrawal {
  readonly payee: number;
  readonly to: Address;
  /** Units that leave the balance, the fee among them. */
  readonly amount: number;
  /** Units of `amount` for whoever carries it. */
  readonly fee: number;
  readonly nonce: number;
  readonly deadline: number;
  readonly signature: Hex;
}

/** A channel to be topped up; amounts in units. */
export interface TopUp {
  readonly channel: number;
  readonly amount: number;
  readonly bond: number;
}

/** When a signed transfer counts; see SignedTransfer. */
export type TransferTerms = Pick<SignedTransfer, 'nonce' | 'deadline'>;

/** A part of a split, in ten-thousandths. */
export interface Share {
  readonly account: Address;
  readonly parts: number;
}

const PERMIT_SECONDS = 3600n;
const NO_SALT: Hex = `0x${'00'.repeat(32)}`;
const NOBODY: Address = '0x0000000000000000000000000000000000000000';

/** The terms as they are signed and hashed: all of them. */
const whole = ({ owner, payer, amount, bond, recovery = NOBODY }: Opening) => ({
  owner,
  payer,
  amount,
  bond,
  recovery,
});

/** Terms of deposits as Permit2's witness. */
const WITNESSES = {
  Opening: [
    { name: 'owner', type: 'address' },
    { name: 'payer', type: 'address' },
    { name: 'amount', type: 'uint48' },
    { name: 'bond', type: 'uint48' },
    { name: 'recovery', type: 'address' },
  ],
  TopUp: [
    { name: 'channel', type: 'uint32' },
    { name: 'amount', type: 'uint48' },
    { name: 'bond', type: 'uint48' },
  ],
} as const;

type Call = Parameters<typeof encodeFunctionData<typeof mandatesAbi>>[0] extends infer P
  ? Omit<P, 'abi'>
  : never;

/** The mandates of one vault on one node. Throws viem's errors. */
export class Mandates {
  constructor(
    readonly client: PublicClient,
    readonly address: Address,
    readonly vault: Address,
    readonly token: Address,
    readonly chainId: number,
  ) {}

  // ---- deposits ----

  /** Opens a channel out of the account's tokens, on a permit that it signs now. */
  async open(account: LocalAccount, opening: Opening): Promise<TransactionReceipt> {
    const { deadline, v, r, s } = await this.permit(account, opening.amount);
    return this.call(account, { functionName: 'openWithPermit', args: [whole(opening), deadline, v, r, s] });
  }

  /** Opens a channel out of tokens that the account approved for the mandates. */
  openApproved(account: LocalAccount, opening: Opening): Promise<TransactionReceipt> {
    return this.call(account, { functionName: 'open', args: [whole(opening)] });
  }

  /** The funder signs a channel's opening for Permit2, which must have an approval of its token; it sends nothing. */
  signOpening(account: LocalAccount, opening: Opening, at: TransferTerms): Promise<SignedTransfer> {
    return this.permit2(account, opening.amount, at, 'Opening', whole(opening));
  }

  /** The same of a top-up. */
  signTopUp(account: LocalAccount, more: TopUp, at: TransferTerms): Promise<SignedTransfer> {
    return this.permit2(account, more.amount, at, 'TopUp', more);
  }

  /** Opens a channel with what its funder signed; anybody may, and changes nothing of it. */
  carryOpening(account: LocalAccount, opening: Opening, by: SignedTransfer): Promise<TransactionReceipt> {
    return this.call(account, { functionName: 'openWithPermit2', args: [whole(opening), by] });
  }

  /** Tops a channel up with what its funder signed. */
  carryTopUp(account: LocalAccount, more: TopUp, by: SignedTransfer): Promise<TransactionReceipt> {
    return this.call(account, { functionName: 'topUpWithPermit2', args: [more, by] });
  }

  /** Adds `amount` units to a channel, on a permit that the account signs now; `bond` of them join the bond. */
  async topUp(account: LocalAccount, more: TopUp): Promise<TransactionReceipt> {
    const { deadline, v, r, s } = await this.permit(account, more.amount);
    return this.call(account, { functionName: 'topUpWithPermit', args: [more, deadline, v, r, s] });
  }

  /**
   * Opens a channel for a payer with a P-256 key of 64 bytes, out of tokens that the account approved for the mandates.
   * Reverts with P256Missing on a chain that verifies no such signatures.
   */
  openP256(
    account: LocalAccount,
    opening: Omit<Opening, 'payer'> & { readonly key: Uint8Array },
  ): Promise<TransactionReceipt> {
    const { owner, key, amount, bond, recovery = NOBODY } = opening;
    const [x, y] = [bytesToHex(key.slice(0, 32)), bytesToHex(key.slice(32, 64))];
    return this.call(account, { functionName: 'openP256', args: [owner, x, y, amount, bond, recovery] });
  }

  /** Does the chain verify P-256 signatures? */
  hasP256(): Promise<boolean> {
    return this.client.readContract({ ...this.at, functionName: 'hasP256' });
  }

  // ---- owners ----

  /** The owner names who may offer the channel should its key be lost; zero for nobody. */
  nameRecovery(account: LocalAccount, channel: number, recovery: Address): Promise<TransactionReceipt> {
    return this.call(account, { functionName: 'nameRecovery', args: [channel, recovery] });
  }

  /** Who may offer the channel should its owner's key be lost; the zero address for nobody. */
  recoveryOf(channel: number): Promise<Address> {
    return this.client.readContract({ ...this.at, functionName: 'recoveryOf', args: [channel] });
  }

  /** The owner, or its recovery account, offers the channel to another account. */
  offer(account: LocalAccount, channel: number, next: Address): Promise<TransactionReceipt> {
    return this.call(account, { functionName: 'offerChannel', args: [channel, next] });
  }

  /** Takes an offered channel over. */
  accept(account: LocalAccount, channel: number): Promise<TransactionReceipt> {
    return this.call(account, { functionName: 'acceptChannel', args: [channel] });
  }

  /** The offer that stands; `readyAt` on the vault's clock. Undefined when there is none. */
  async offerOf(channel: number): Promise<{ next: Address; readyAt: number } | undefined> {
    const [next, readyAt] = await this.client.readContract({
      ...this.at,
      functionName: 'offerOf',
      args: [channel],
    });
    return /^0x0+$/.test(next) ? undefined : { next, readyAt };
  }

  /** Starts an exit that pays `recipient`, whose the channel is from then on. */
  startExitTo(account: LocalAccount, channel: number, recipient: Address): Promise<TransactionReceipt> {
    return this.call(account, { functionName: 'startExitTo', args: [channel, recipient] });
  }

  // ---- payouts ----

  /** Signs a withdrawal with the payee's next nonce. `deadline` in seconds of chain time. */
  async signWithdrawal(
    account: LocalAccount,
    terms: Omit<SignedWithdrawal, 'nonce' | 'signature'>,
  ): Promise<SignedWithdrawal> {
    const nonce = await this.client.readContract({
      ...this.at,
      functionName: 'nonceOf',
      args: [terms.payee],
    } as never);
    const signed = { ...terms, nonce: Number(nonce) };
    const signature = await account.signTypedData({
      domain: { name: 'Sundial', version: '1', chainId: this.chainId, verifyingContract: this.vault },
      primaryType: 'Withdrawal',
      types: {
        Withdrawal: [
          { name: 'payee', type: 'uint32' },
          { name: 'to', type: 'address' },
          { name: 'amount', type: 'uint48' },
          { name: 'fee', type: 'uint48' },
          { name: 'nonce', type: 'uint32' },
          { name: 'deadline', type: 'uint40' },
        ],
      },
      message: signed,
    });
    return { ...signed, signature };
  }

  /** Carries a signed withdrawal; the fee goes to the account. */
  carry(account: LocalAccount, signed: SignedWithdrawal): Promise<TransactionReceipt> {
    const { payee, to, amount, fee, deadline, signature } = signed;
    return this.call(account, {
      functionName: 'withdrawFor',
      args: [payee, to, amount, fee, deadline, signature],
    });
  }

  /** Registers the account as a payee that leaves so many ten-thousandths of what is settled for it to whoever submits it. */
  registerWithFee(account: LocalAccount, rate: number): Promise<TransactionReceipt> {
    return this.call(account, { functionName: 'registerWithFee', args: [rate] });
  }

  /** Part of what is settled for a payee that goes to whoever submits it, in ten-thousandths. */
  feeRateOf(payee: number): Promise<number> {
    return this.client.readContract({ ...this.at, functionName: 'feeRateOf', args: [payee] });
  }

  /** Fixes, for ever, where the money of the account's payee goes. */
  fixPayout(account: LocalAccount, payee: number, recipient: Address): Promise<TransactionReceipt> {
    return this.call(account, { functionName: 'fixPayout', args: [payee, recipient] });
  }

  /** Sends the whole balance of a payee whose payout is fixed; anybody may. */
  payOut(account: LocalAccount, payee: number): Promise<TransactionReceipt> {
    return this.call(account, { functionName: 'payOut', args: [payee] });
  }

  /** Where all money of a payee goes; undefined when it says so each time. */
  async payoutOf(payee: number): Promise<Address | undefined> {
    const to = await this.client.readContract({ ...this.at, functionName: 'payoutOf', args: [payee] });
    return /^0x0+$/.test(to) ? undefined : to;
  }

  // ---- splits ----

  /** Makes a split of the vault's token, or finds the same one that stands; answers where. */
  async makeSplit(account: LocalAccount, splits: Address, shares: readonly Share[]): Promise<Address> {
    const args = [this.token, shares, NO_SALT] as const;
    const at = { address: splits, abi: splitsAbi } as const;
    const address = await this.client.readContract({ ...at, functionName: 'addressOf', args });
    if ((await this.client.getCode({ address })) === undefined) {
      const data = encodeFunctionData({ abi: splitsAbi, functionName: 'make', args });
      await send(this.client, account, { to: splits, data });
    }
    return address;
  }

  /** Fetches a payee's balance into its split and sends everybody's part; answers what each got. */
  async releaseAll(
    account: LocalAccount,
    split: Address,
    payee: number,
  ): Promise<readonly { readonly account: Address; readonly amount: number }[]> {
    const data = encodeFunctionData({
      abi: splitAbi,
      functionName: 'releaseAll',
      args: [this.address, payee],
    });
    const { logs } = await send(this.client, account, { to: split, data });
    return parseEventLogs({ abi: splitAbi, eventName: 'Released', logs }).map(({ args }) => ({
      account: args.account,
      amount: Number(args.amount),
    }));
  }

  // ---- steps ----

  private get at() {
    return { address: this.address, abi: mandatesAbi } as const;
  }

  private call(account: LocalAccount, call: Call): Promise<TransactionReceipt> {
    const data = encodeFunctionData({ abi: mandatesAbi, ...call } as Parameters<
      typeof encodeFunctionData
    >[0]);
    return send(this.client, account, { to: this.address, data });
  }

  private async permit2(
    account: LocalAccount,
    amount: number,
    { nonce, deadline }: TransferTerms,
    kind: keyof typeof WITNESSES,
    witness: object,
  ): Promise<SignedTransfer> {
    const permit2 = await this.client.readContract({ ...this.at, functionName: 'PERMIT2' });
    const signature = await account.signTypedData({
      domain: { name: 'Permit2', chainId: this.chainId, verifyingContract: permit2 },
      primaryType: 'PermitWitnessTransferFrom',
      types: {
        PermitWitnessTransferFrom: [
          { name: 'permitted', type: 'TokenPermissions' },
          { name: 'spender', type: 'address' },
          { name: 'nonce', type: 'uint256' },
          { name: 'deadline', type: 'uint256' },
          { name: 'witness', type: kind },
        ],
        TokenPermissions: [
          { name: 'token', type: 'address' },
          { name: 'amount', type: 'uint256' },
        ],
        [kind]: WITNESSES[kind],
      },
      message: {
        permitted: { token: this.token, amount: BigInt(amount) },
        spender: this.address,
        nonce,
        deadline,
        witness,
      },
    } as never);
    return { from: account.address, nonce, deadline, signature };
  }

  /** ERC-2612 permit of the account for the mandates, good for an hour of chain time. */
  private async permit(account: LocalAccount, amount: number) {
    const read = { address: this.token, abi: timeAbi } as const;
    const [name, nonce, block] = await Promise.all([
      this.client.readContract({ ...read, functionName: 'name' }),
      this.client.readContract({ ...read, functionName: 'nonces', args: [account.address] }),
      this.client.getBlock(),
    ]);
    const deadline = block.timestamp + PERMIT_SECONDS;
    const signature = await account.signTypedData({
      domain: { name, version: '1', chainId: this.chainId, verifyingContract: this.token },
      primaryType: 'Permit',
      types: {
        Permit: [
          { name: 'owner', type: 'address' },
          { name: 'spender', type: 'address' },
          { name: 'value', type: 'uint256' },
          { name: 'nonce', type: 'uint256' },
          { name: 'deadline', type: 'uint256' },
        ],
      },
      message: {
        owner: account.address,
        spender: this.address,
        value: BigInt(amount),
        nonce,
        deadline,
      },
    });
    const { r, s, yParity } = parseSignature(signature);
    return { deadline, v: 27 + yParity, r, s };
  }
}

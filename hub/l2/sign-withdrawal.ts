/** A payee's withdrawal, signed and not sent: whoever has gas money carries it, and it goes nowhere else. */
import type { LocalAccount } from 'viem';
import { SundialError } from '../../protocol/errors.ts';
import { fromHex } from '../../protocol/bytes.ts';
import { Vault } from './vault.ts';

/** What a withdrawal says. */
export interface WithdrawalTerms {
  /** Units, the fee included. */
  readonly amount: number;
  /** Where to, a 0x address; absent: to the payee, or where its money always goes. */
  readonly to?: string | undefined;
  /** For whoever carries it, units. */
  readonly fee: number;
  /** How long it can be carried. */
  readonly hours: number;
}

/** Signs one. Rejects with `payee_funds` when the vault holds less. */
export async function signWithdrawal(
  chain: { readonly rpcUrl: readonly string[]; readonly vault: string },
  account: LocalAccount,
  { amount, to, fee, hours }: WithdrawalTerms,
) {
  const vault = await Vault.connect(chain.rpcUrl[0]!, chain.vault as `0x${string}`);
  const address = fromHex(account.address.toLowerCase() as `0x${string}`, 20);
  const payee = await vault.payeeId(address);
  const balance = payee === undefined ? 0 : await vault.readPayeeBalance(address);
  if (payee === undefined || amount > balance)
    throw new SundialError('payee_funds', `the vault holds ${balance} units for ${account.address}`, {
      severity: 'call',
      remedy: 'Ask for at most that; what is not settled yet comes with the next batch.',
    });
  const fixed = await vault.mandates.payoutOf(payee);
  const { timestamp } = await vault.client.getBlock();
  const signed = await vault.mandates.signWithdrawal(account, {
    payee,
    to: (to ?? fixed ?? account.address) as `0x${string}`,
    amount,
    fee,
    deadline: Number(timestamp) + hours * 3600,
  });
  return { vault: vault.address, chainId: vault.chainId, ...signed };
}

/** Has an owner what it wants to deposit? Asked first, so that people are told the sum and not a revert. */
import { type Address, erc20Abi } from 'viem';
import { formatMoney } from '../../hardware/boards/node/cli/money.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { Vault } from '../l2/vault.ts';

/** Throws `owner_funds`. */
export async function requireFunds(vault: Vault, owner: Address, amount: number): Promise<void> {
  const held = await vault.client.readContract({
    address: vault.token,
    abi: erc20Abi,
    functionName: 'balanceOf',
    args: [owner],
  });
  if (held >= BigInt(amount)) return;
  throw new SundialError('owner_funds', `the owner holds ${formatMoney(Number(held))} TIME`, {
    severity: 'call',
    remedy: `Give an --amount of at most ${formatMoney(Number(held))}.`,
  });
}

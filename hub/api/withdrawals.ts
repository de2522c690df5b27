/** The route of withdrawals: a merchant's settled money on its way out of the vault. */
import type { LocalAccount } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { z } from 'zod';
import { UINT48_MAX } from '../../protocol/integers.ts';
import { addressText, type Desk } from '../desk/desk.ts';
import type { WithdrawalTerms } from '../l2/sign-withdrawal.ts';
import { amountText } from './amounts.ts';
import type { Parts } from './parts.ts';
import { type Route, route } from './server.ts';

/** What the route works on. */
export interface WithdrawalParts {
  readonly parts: Parts;
  readonly desk: Desk;
  signWithdrawal(account: LocalAccount, terms: WithdrawalTerms): Promise<object>;
}

const DAY_MS = 86_400_000;

/** The route. */
export function withdrawalRoutes({ parts, desk, signWithdrawal }: WithdrawalParts): Route[] {
  const { approvals } = parts.config;
  /** What one person alone had signed today: many small ones are a large one. */
  let alone = { day: 0, amount: 0 };
  return [
    route({
      method: 'POST',
      path: '/v1/withdrawals',
      summary: "Signs a withdrawal of a merchant's settled money, for `sundial carry`",
      may: ['operator'],
      body: z.strictObject({
        payee: z.string().max(64),
        amount: z.int().min(1).max(UINT48_MAX),
        to: addressText.optional(),
        fee: z.int().min(0).max(UINT48_MAX).default(0),
        hours: z.int().min(1).max(720).default(24),
      }),
      answer: z.record(z.string(), z.unknown()),
      secondFor: ({ body: { payee, amount, to } }) => {
        if (approvals === undefined) return undefined;
        const { name } = desk.merchant(payee);
        const day = Math.floor(Date.now() / DAY_MS);
        if (alone.day !== day) alone = { day, amount: 0 };
        if (alone.amount + amount <= approvals.above) {
          alone.amount += amount;
          return undefined;
        }
        return `withdraws ${amountText(amount)} of ${name}${to === undefined ? '' : ` to ${to}`}`;
      },
      act: ({ body: { payee, ...terms } }) => {
        const { address } = desk.merchant(payee);
        return signWithdrawal(privateKeyToAccount(desk.keyOf(address)), terms);
      },
    }),
  ];
}

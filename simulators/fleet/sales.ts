/**
 * How customers fare at one terminal: what they asked for, and what became of it. A sale is one payment asked at a till, or
 * one charge session. It counts only what the fleet's own customers want, and no adversary's.
 */
import type { Notice } from '../../protocol/machines/effects.ts';
import type { RefusalName } from '../../protocol/refusals.ts';

export class Sales {
  asked = 0;
  approved = 0;
  /** The customer went in the middle of it, as `hasty` says. */
  walkedAway = 0;
  /** The terminal had no power. */
  powerOff = 0;
  /** For the first reason that was given, of those that were not approved in the end. */
  readonly refused = new Map<RefusalName, number>();

  /** Somebody asks for something. */
  ask(): Sale {
    this.asked += 1;
    return new Sale(this);
  }

  /** Somebody would ask, and the terminal is dark. */
  askInVain(): void {
    this.asked += 1;
    this.powerOff += 1;
  }
}

/** One sale while it goes on. */
export class Sale {
  private readonly sales: Sales;
  private isApproved = false;
  private isOver = false;
  private reason: RefusalName | undefined;

  constructor(sales: Sales) {
    this.sales = sales;
  }

  /** What one of both devices says meanwhile. */
  saw(notice: Notice): void {
    if (notice.type === 'approved' || notice.type === 'streamOpened') this.isApproved = true;
    if (notice.type === 'refused') this.reason ??= notice.code;
  }

  /** Customer and terminal are done. Without an approval, a refusal or a reason of the customer's it stays unanswered. */
  over(isHasty: boolean): void {
    if (this.isOver) return;
    this.isOver = true;
    const { sales, reason } = this;
    if (this.isApproved) sales.approved += 1;
    else if (reason !== undefined) sales.refused.set(reason, (sales.refused.get(reason) ?? 0) + 1);
    else if (isHasty) sales.walkedAway += 1;
  }
}

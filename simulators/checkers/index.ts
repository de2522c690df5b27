/** All checkers, in the order in which they are asked. */
import { acknowledgedIsKept } from './acknowledged-is-kept.ts';
import { acknowledgedIsPaid } from './acknowledged-is-paid.ts';
import { approvedIsStored } from './approved-is-stored.ts';
import { bondCovers } from './bond-covers.ts';
import { chargedIsDue } from './charged-is-due.ts';
import type { MakeChecker } from './checker.ts';
import { clearedIsPaid } from './cleared-is-paid.ts';
import { conservation } from './conservation.ts';
import { drains } from './drains.ts';
import { equivocationProved } from './equivocation-proved.ts';
import { followsL2 } from './follows-l2.ts';
import { frozenHandsIn } from './frozen-hands-in.ts';
import { lateIsVoid } from './late-is-void.ts';
import { linksAreQuiet } from './links-are-quiet.ts';
import { keyThiefEnds } from './key-thief-ends.ts';
import { nothingForgotten } from './nothing-forgotten.ts';
import { paidOrAttributed } from './paid-or-attributed.ts';
import { scopeIsSmall } from './scope-is-small.ts';
import { ticksAreDelivered } from './ticks-are-delivered.ts';
import { tillsAddUp } from './tills-add-up.ts';
import { uniqueSeq } from './unique-seq.ts';
import { withinTheLease } from './within-the-lease.ts';

export const CHECKERS: readonly MakeChecker[] = [
  conservation,
  uniqueSeq,
  approvedIsStored,
  nothingForgotten,
  lateIsVoid,
  withinTheLease,
  linksAreQuiet,
  acknowledgedIsKept,
  equivocationProved,
  scopeIsSmall,
  bondCovers,
  followsL2,
  paidOrAttributed,
  drains,
  frozenHandsIn,
  ticksAreDelivered,
  keyThiefEnds,
  clearedIsPaid,
  acknowledgedIsPaid,
  tillsAddUp,
  chargedIsDue,
];

/** The rules about leases that are signed away, broken from outside one at a time: nothing in protocol/ or hub/ knows of this. */
import type { Books, ChannelBook } from '../../../hub/intake/state.ts';
import { seconds, UINT40_MAX } from '../../../protocol/integers.ts';
import type { EndedLeases } from '../../../protocol/machines/payee.ts';

/** What a payee's office believes of its channel, and how it comes to it. */
export interface OfficeFacts extends EndedLeases {
  /** Terminals that said something; the others of the payee's own list said nothing. */
  readonly saidAt: EndedLeases['terminalsSyncedAt'];
}

export interface ReleaseDrop {
  readonly rule: string;
  /** A configuration that shows what the rule is for. */
  readonly shownBy: string;
  /** The office judges by these facts instead. */
  readonly office?: (facts: OfficeFacts) => EndedLeases;
  /** The office asks what is paid before it asks how far its terminals are. */
  readonly paidFirst?: boolean;
  /** The hub tells offices of leases by this book of the channel instead. */
  readonly told?: (book: ChannelBook) => ChannelBook;
  /** The hub lends by this book of the channel, or these books, instead. */
  readonly book?: (book: ChannelBook) => ChannelBook;
  readonly books?: (books: Books) => Books;
}

export const RELEASE_DROPS: Readonly<Record<string, ReleaseDrop>> = {
  releasedAllSynced: {
    rule: '20, all terminals of a payee have said that they handed in what was sold under the lease',
    shownBy: 'l1',
    office: (facts) => ({
      ...facts,
      terminalsSyncedAt: [seconds(Math.max(0, ...facts.terminalsSyncedAt))],
    }),
  },
  releasedOwnList: {
    rule: '20, the list of terminals is the payee’s own',
    shownBy: 'l1',
    office: (facts) => ({ ...facts, terminalsSyncedAt: facts.saidAt }),
  },
  releasedPastEnd: {
    rule: '20, what terminals say is of a time after the end of the lease',
    shownBy: 'l1',
    office: (facts) => ({
      ...facts,
      terminalsSyncedAt: facts.terminalsSyncedAt.map((at) => (at > 0 ? UINT40_MAX : at) as typeof at),
    }),
  },
  releasedPaid: {
    rule: '20, all of it is paid',
    shownBy: 'l1',
    office: (facts) => ({ ...facts, unsettled: false }),
  },
  releasedPaidLast: {
    rule: '20, a payee asks what is paid after it asked how far its terminals are',
    shownBy: 'l1',
    paidFirst: true,
  },
  releasedUnproved: {
    rule: '20, nothing is signed away of a payer that is proved dishonest, by the ledger or on L2',
    shownBy: 'l5',
    told: (book) => ({ ...book, proof: undefined }),
  },
  bookedByEach: {
    rule: '10, a lease is booked until every payee of its scope has signed it away',
    shownBy: 'l2',
    book: (book) => {
      const last = seconds(Math.max(0, ...Object.values(book.released)));
      return {
        ...book,
        booked: book.booked.filter(({ expiresAt }) => expiresAt > last),
      };
    },
  },
  bookedByWhoLeft: {
    rule: '10, a payee that left the scope signs, too',
    shownBy: 'l3',
    books: (books) => ({ ...books, members: {} }),
  },
  bookedUntilItsEnd: {
    rule: '10, what was signed away is what ended by then, and no later lease',
    shownBy: 'l4',
    book: (book) => ({
      ...book,
      released: Object.fromEntries(Object.keys(book.released).map((payee) => [payee, UINT40_MAX as never])),
    }),
  },
};

export const NO_RELEASE_DROP: ReleaseDrop = { rule: 'none', shownBy: 'none' };

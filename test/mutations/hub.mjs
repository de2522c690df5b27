// One-line breaks of what the hub promises, each with the test file that must fail. `from` must stand exactly once in
// the file. The tests take no chain, so that a break is judged in seconds.
const BOOKS = 'hub/intake/books.ts';
const FRAUD = 'hub/intake/fraud.ts';
const INTAKE = 'hub/intake/intake.ts';
const LEASES = 'hub/intake/leases.ts';
const VERIFY = 'hub/intake/verify.ts';
const TRIE = 'hub/intake/trie.ts';
const POSITIONS = 'hub/intake/positions.ts';
const BATCH = 'hub/batch/batch.ts';
const SHORTFALL = 'hub/watch/shortfall.ts';
const WATCH = 'hub/watch/watch.ts';
const LOOP = 'hub/settle/loop.ts';
const LEDGER = 'hub/ledger/file-ledger.ts';

export const HUB_MUTATIONS = [
  // ---- how much is taken ----
  [
    'a hub without room signs leases',
    LEASES,
    'state.books.indexed >= leasedEntriesMax(context.indexedMax)',
    'state.books.indexed >= context.indexedMax',
    'hub/intake',
  ],
  [
    'a hub without room takes entries',
    INTAKE,
    'candidate.refusal() ?? this.indexRoom() ?? this.room()',
    'candidate.refusal() ?? this.room()',
    'hub/intake',
  ],
  [
    'an edit changes what others hold',
    TRIE,
    'if ((list as Marked).madeWith === this) return list as T[];',
    'return list as T[];',
    'hub/intake',
  ],
  // ---- what is taken ----
  [
    "a voucher of another payer's key is taken",
    VERIFY,
    "if (payer === undefined || !equalBytes(payer, facts.payer)) return 'signature';",
    "if (payer === undefined) return 'signature';",
    'hub/intake',
  ],
  [
    'an answer of any terminal counts',
    VERIFY,
    'return signer !== undefined && equalBytes(signer, collected.request.terminal);',
    'return signer !== undefined;',
    'hub/intake',
  ],
  [
    'a terminal of another payee hands in',
    VERIFY,
    'certified !== undefined && equalBytes(certified, voucher.payee)',
    'certified !== undefined',
    'hub/intake',
  ],
  [
    'a tick needs no preimage',
    VERIFY,
    "return matches ? undefined : 'tick_preimage';",
    'return undefined;',
    'hub/intake',
  ],
  [
    'a tick above the signed count is taken',
    VERIFY,
    "if (message.k < 1 || message.k > ticks) return 'tick_order';",
    "if (message.k < 1) return 'tick_order';",
    'hub/intake',
  ],
  [
    'more is given back than was paid',
    VERIFY,
    "return credited > creditableOf(entry) || credited < before ? 'credit_range' : undefined;",
    "return credited < before ? 'credit_range' : undefined;",
    'hub/intake',
  ],
  [
    "a terminal's credit counts as the payee's",
    BOOKS,
    'message.byPayee === 1 && credited > (own?.credited ?? -1)',
    'credited > (own?.credited ?? -1)',
    'hub/intake',
  ],
  // ---- what is acknowledged ----
  [
    'a repeated entry is acknowledged before it is durable',
    INTAKE,
    'const index = token < (pending[0]?.token ?? 0) ? -1',
    'const index = token >= 0 ? -1',
    'hub/intake',
  ],
  [
    "a payee's credit is acknowledged by the place of the terminal's",
    BOOKS,
    'known: trieSet(books.known, key, known, edit)',
    'known: trieSet(books.known, key, trieGet(books.known, key) ?? known, edit)',
    'hub/credits',
  ],
  [
    'a failed write moves nobody',
    POSITIONS,
    'return shifts.at(-1)?.by === by ? shifts : [...shifts, { token, by }];',
    'return shifts.length > 0 ? shifts : [...shifts, { token, by }];',
    'hub/intake',
  ],
  [
    'the newest shift counts for all',
    POSITIONS,
    'shifts.findLast((known) => known.token <= token)',
    'shifts.at(-1)',
    'hub/intake',
  ],
  [
    'what is on its way has a position',
    POSITIONS,
    'if (oldest !== undefined && token >= oldest.token) return undefined;',
    '',
    'hub/intake',
  ],
  // ---- the maps ----
  [
    'entries whose tags are the same stand in the order in which they came',
    TRIE,
    ' && (bucket[count + index] as string) < key) index += 1;',
    ') index += 1;',
    'hub/trie',
  ],
  [
    'a bucket never bursts',
    TRIE,
    'return count < BUCKET_MAX ? next : burst(next, depth, edit);',
    'return next;',
    'hub/trie',
  ],
  [
    'a shared bucket is changed where it stands',
    TRIE,
    'const changed = node.slice();',
    'const changed = node as unknown[];',
    'hub/trie',
  ],
  [
    'what the disk refused stays in the books',
    INTAKE,
    'this.set({ books: failed[0]!.before, pending: this.state.pending.slice(0, index) });',
    'this.set({ pending: this.state.pending.slice(0, index) });',
    'hub/intake',
  ],
  [
    'what stood behind a refused record stays',
    INTAKE,
    'const failed = this.state.pending.slice(index);',
    'const failed = this.state.pending.slice(index, index + 1);',
    'hub/intake',
  ],
  [
    'a voided voucher is acknowledged to its payer',
    INTAKE,
    'if (entry?.voided) return this.passCredit(device, entry, known.token);',
    '',
    'hub/intake',
  ],
  ['a voided voucher is claimed', BOOKS, 'if (entry.voided) return book;', '', 'hub/intake'],
  [
    'an earlier tick takes back a later one',
    BOOKS,
    'if (message.k <= entry.stream.k) return marked;',
    '',
    'hub/intake',
  ],
  [
    'the claim stays at the lower voucher',
    BOOKS,
    'if (topOf(best) > topOf(entry)) return book;',
    'if (topOf(best) < topOf(entry)) return book;',
    'hub/intake',
  ],
  // ---- fraud ----
  [
    'one seq twice is no fraud',
    FRAUD,
    'if (other.key !== entry.key) return evidence',
    'if (false) return evidence',
    'hub/intake',
  ],
  [
    'amounts that overlap are no fraud',
    FRAUD,
    'if (spentBaseOf(j) < spentTopOf(i)) return true;',
    '',
    'hub/intake',
  ],
  [
    'a lane that goes back is no fraud',
    FRAUD,
    'return equalBytes(i.payee, j.payee) && baseOf(j) < topOf(i);',
    'return false;',
    'hub/intake',
  ],
  [
    'lanes above what was spent are no fraud',
    FRAUD,
    'if (book.claimed <= highest(book).spent) return undefined;',
    'return undefined;',
    'hub/intake',
  ],
  [
    'evidence that was not written is not looked for again',
    INTAKE,
    'if (book.proof === undefined) this.proved(anyProof(book));',
    'if (book.proof === undefined) void 0;',
    'hub/intake',
  ],
  [
    'a revocation that was not written is forgotten',
    INTAKE,
    'else this.revoke(keyNumber(key) as ChannelId, true);',
    '',
    'hub/intake',
  ],
  ['fraud revokes nothing', INTAKE, 'this.revoke(evidence.channel, true);', '', 'hub/intake'],
  // ---- leases ----
  [
    'a lease without the word of L2',
    LEASES,
    "block === undefined || now - block.at > context.timing.watchLag ? 'chain_stale' : undefined,",
    '',
    'hub/intake',
  ],
  [
    'a device that was rolled back gets a lease',
    LEASES,
    "request.seq < seen.seq || request.spent < seen.spent ? 'behind_ledger' : undefined,",
    '',
    'hub/intake',
  ],
  [
    'a revoked channel gets a lease',
    LEASES,
    'book.proof !== undefined || facts.slashed || state.books.revoked.includes(request.channel)',
    'book.proof !== undefined || facts.slashed',
    'hub/intake',
  ],
  [
    'an owner who leaves gets a lease',
    LEASES,
    "facts.exiting ? 'exit_running' : undefined,",
    '',
    'hub/intake',
  ],
  [
    'a scope that gives nothing back gets leases',
    LEASES,
    "creditsOverdue(context, state, request.scope) ? 'credits_overdue' : undefined,",
    '',
    'hub/credits',
  ],
  [
    'a cheater shuts a scope for everybody',
    LEASES,
    'if (entry !== undefined && channelBook(books, entry.channel).proof === undefined) return true;',
    'return true;',
    'hub/credits',
  ],
  [
    'a lease above what L2 holds',
    LEASES,
    "request.spent > facts.spendable ? 'over_spend_limit' : undefined,",
    '',
    'hub/intake',
  ],
  // ---- batches ----
  [
    'a lane that L2 knows is settled again',
    BATCH,
    'topOf(claim) > view.settled(channel, payee) && view.registered(payee)',
    'view.registered(payee)',
    'hub/batch',
  ],
  [
    'busy channels never leave the others their turn',
    BATCH,
    'return first <= 0 ? channels : [...channels.slice(first), ...channels.slice(0, first)];',
    'return channels;',
    'hub/batch',
  ],
  [
    'a list that is not the signed one settles',
    BATCH,
    'return equalBytes(lanesHash(signing.suite, lanes), message.lanes) ? lanes : [];',
    'return lanes;',
    'hub/batch',
  ],
  ['a refused row is sent again and again', BATCH, 'if (view.blocked(chosen)) continue;', '', 'hub/batch'],
  [
    'what was given back is claimed as a loss',
    SHORTFALL,
    'equalBytes(entry.payee, payee) && !entry.voided && entry.credited === 0',
    'equalBytes(entry.payee, payee)',
    'hub/justice',
  ],
  // ---- L2 ----
  [
    "fraud that others proved leaves the channel's credit",
    WATCH,
    "    case 'FraudProved':\n",
    '',
    'hub/watch',
  ],
  [
    'what a pot pays is not counted on the lane',
    WATCH,
    'return raised > 0 ? [{ channel, payeeId: payee, moved: raised, transaction }] : [];',
    'return [];',
    'hub/watch',
  ],
  [
    'channels are looked at where the node has no state any more',
    WATCH,
    'await readHead(vault, channel, final)',
    'await readHead(vault, channel, to)',
    'hub/watch',
  ],
  [
    'a chain that began anew tells the time',
    WATCH,
    'if (newest.height < this.finalHeight)',
    'if (false)',
    'hub/watch',
  ],
  [
    'a batch waits behind what the node may forget',
    'hub/l2/vault.ts',
    "blockTag: 'latest' }));",
    "blockTag: 'pending' }));",
    'hub/settle-crash',
  ],
  [
    'a lane that the registry lost is settled for ever',
    LOOP,
    "if (outcome?.reason !== 'stale') return false;",
    'return false;',
    'hub/settle-crash',
  ],
  [
    "a payee's later earnings pay no credit",
    LOOP,
    "if (refused.reason === 'payee_short') return !this.affordable.has(rowKey(reference));",
    '',
    'hub/settle-crash',
  ],
  [
    'what becomes due while a batch is under way is forgotten',
    'hub/rounds.ts',
    'this.served = this.planned;',
    'this.served = this.due;',
    'hub/rounds',
  ],
  [
    'a refusal for one channel ends the round for all',
    'hub/settle/justice.ts',
    'if (!isRefused(error)) throw error;',
    'throw error;',
    'hub/justice',
  ],
  // ---- the ledger ----
  [
    'a record is told durable before the disk has it',
    LEDGER,
    '    await this.file!.sync();\n',
    '',
    'hub/ledger',
  ],
  ['a segment whose name is not durable', LEDGER, '      await this.files.syncFolder();\n', '', 'hub/ledger'],
  [
    'what was durable is not looked at after a disk failure',
    LEDGER,
    '      await this.verifyLast();\n',
    '',
    'hub/ledger',
  ],
].map(([name, file, from, to, caughtBy]) => ({ name, file, from, to, caughtBy }));

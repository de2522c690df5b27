// One-line breaks of the money rules in protocol/ and device/, each with the test file that must fail. `from` must
// stand exactly once in the file. Add one whenever a rule gets a new line.
const PAY = 'protocol/machines/payer/pay.ts';
const STREAM = 'protocol/machines/payer/stream.ts';
const ANSWERS = 'protocol/machines/payer/answers.ts';
const PAYER = 'protocol/machines/payer/payer.ts';
const PAYER_BOOKS = 'protocol/machines/payer/books.ts';
const PAYER_SYNC = 'protocol/machines/payer/sync.ts';
const ACCEPT = 'protocol/machines/terminal/acceptance.ts';
const ANSWER = 'protocol/machines/terminal/answer.ts';
const SESSION = 'protocol/machines/terminal/session.ts';
const BOOKS = 'protocol/machines/terminal/books.ts';
const SYNC = 'protocol/machines/terminal/sync.ts';
const JOURNAL = 'device/journal/journal.ts';
const TERMINAL = 'protocol/machines/terminal/terminal.ts';

export const MUTATIONS = [
  // ---- rule 1, one line ----
  [
    'a voucher does not grow spent',
    PAY,
    'spent: addAmounts(books.spent, request.amount)',
    'spent: books.spent',
    'protocol/payer-table',
  ],
  [
    'a voucher does not grow its lane',
    PAY,
    'paid: addAmounts(lane.paid, request.amount)',
    'paid: lane.paid',
    'protocol/payer-table',
  ],
  ['a seq is used twice', PAY, 'seq: nextSeq(books.seq)', 'seq: books.seq', 'protocol/payer-table'],
  [
    'the spend limit is ignored',
    PAY,
    'if (books.spent + most > lease.spendLimit)',
    'if (false)',
    'protocol/payer-refusals',
  ],
  [
    'ticks are not counted as spent',
    PAYER_BOOKS,
    'spent: spentTop(voucher, k)',
    'spent: books.spent',
    'protocol/payer-table',
  ],
  // ---- rule 2, persist before reveal ----
  [
    'the intent is not stored',
    PAY,
    "turn.persist({ type: 'intent', digest, voucher, request, ...(seed && { seed }) });",
    '',
    'protocol/payer-table',
  ],
  [
    'the intent is stored after the signature',
    PAY,
    "  turn.persist({ type: 'intent', digest, voucher, request, ...(seed && { seed }) });\n  turn.notify({ type: 'signing', seq: voucher.seq, amount: amount(request.amount), payee: voucher.payee });\n  sendVoucher(turn, { kind: 'voucher', digest, voucher, request }, 'voucher');",
    "  sendVoucher(turn, { kind: 'voucher', digest, voucher, request }, 'voucher');\n  turn.persist({ type: 'intent', digest, voucher, request, ...(seed && { seed }) });",
    'protocol/payer-table',
  ],
  [
    'a tick is not stored before it is revealed',
    STREAM,
    "  turn.persist({ type: 'tickRevealed', k });\n  sendTick(turn, k, preimage);",
    "  sendTick(turn, k, preimage);\n  turn.persist({ type: 'tickRevealed', k });",
    'protocol/payer-table',
  ],
  [
    'the terminal answers a tick before it is delivered',
    SESSION,
    "    return turn.notify({ type: 'deliver', channel, k, value: stream.voucher.tickValue });",
    "    answer(turn, streamLane(turn, channel, message.seq)!);\n    return turn.notify({ type: 'deliver', channel, k, value: stream.voucher.tickValue });",
    'protocol/terminal-table',
  ],
  // ---- rule 3, unconfirmed vouchers ----
  [
    'a new voucher while one is unconfirmed here',
    PAY,
    'if (resolveAt(turn, message.terminal)) {',
    'if (false) {',
    'protocol/payer-table',
  ],
  ['unconfirmed vouchers without bound', PAY, '>= UNCONFIRMED_MAX)', '>= 1e9)', 'protocol/payer-refusals'],
  [
    'a receipt is believed unsigned',
    ANSWERS,
    "if (!signing.signedBy('Receipt', message, message.signature, entry.request.terminal)) {",
    'if (false) {',
    'protocol/payer-refusals',
  ],
  [
    'a part given back counts as a void',
    ANSWERS,
    '|| message.credited !== entry.request.amount',
    '',
    'protocol/payer-table',
  ],
  [
    'any acknowledgement is believed',
    PAYER_SYNC,
    "if (!signedByHub(signing, turn.books.hubKeys, 'Acknowledgement', message, message.signature))",
    'if (false)',
    'protocol/payer-table',
  ],
  // ---- rule 4, late vouchers ----
  [
    'a late voucher is approved',
    ANSWER,
    "signAnswer(turn, candidate, isOpen ? 'receipt' : 'credit');",
    "signAnswer(turn, candidate, 'receipt');",
    'protocol/terminal-table',
  ],
  [
    'a late voucher is judged by the rules of open ones',
    ANSWER,
    'isOpen ? acceptanceRefusal(turn, candidate) : voidRefusal(turn, candidate)',
    'acceptanceRefusal(turn, candidate)',
    'protocol/terminal-refusals',
  ],
  [
    "another terminal's voucher is voided",
    ANSWER,
    "if ('terminal' in message && !equalBytes(message.terminal, turn.context.self))",
    'if (false)',
    'protocol/terminal-refusals',
  ],
  [
    'the base must be exact',
    ACCEPT,
    'voucher.paid - request.amount < lane.base',
    'voucher.paid - request.amount !== lane.base',
    'protocol/terminal-table',
  ],
  [
    'a repeated voucher is judged anew',
    ANSWER,
    'if (lane !== undefined && equalBytes(lane.digest, digest)) return repeatAnswer(turn, lane);',
    '',
    'protocol/terminal-table',
  ],
  [
    'lanes with waiting entries are evicted',
    ANSWER,
    'if (outbox.some((entry) => entry.channel === lane.channel)) continue;',
    '',
    'protocol/terminal-table',
  ],
  [
    'an evicted lane leaves no trace',
    ACCEPT,
    "if (lane === undefined && request.at <= turn.books.evictedAt) return 'ask_hub';",
    '',
    'protocol/terminal-table',
  ],
  [
    'a void dated long ago lowers the memory',
    BOOKS,
    'at: old !== undefined && old.at > request.at ? old.at : request.at,',
    'at: request.at,',
    'protocol/books',
  ],
  // ---- rule 5, offline acceptance ----
  [
    'the signature is not checked',
    ACCEPT,
    'return signer === undefined || !equalBytes(signer, lease.payer);',
    'return false;',
    'protocol/terminal-refusals',
  ],
  [
    'an old seq is accepted',
    ACCEPT,
    'lane !== undefined && voucher.seq <= lane.seq',
    'lane !== undefined && voucher.seq < lane.seq',
    'protocol/acceptance',
  ],
  [
    'a rolled-back device is accepted',
    ACCEPT,
    'voucher.spent - amount < lease.spentFrom',
    'voucher.spent < lease.spentFrom',
    'protocol/edges',
  ],
  ['spent may be below paid', ACCEPT, 'voucher.spent < voucher.paid ||', '', 'protocol/acceptance'],
  ['the tap limit is ignored', ACCEPT, 'amount > lease.tapLimit', 'false', 'protocol/acceptance'],
  ["the lease's limit is ignored", ACCEPT, 'voucher.spent > lease.spendLimit ||', '', 'protocol/acceptance'],
  [
    "the lease's limit is ignored by ticks",
    ACCEPT,
    'spentWith(voucher, k + 1) > lease.spendLimit',
    'false',
    'protocol/edges',
  ],
  ['an expired lease is accepted', ACCEPT, 'now > lease.expiresAt', 'false', 'protocol/acceptance'],
  [
    'a revoked channel is accepted',
    ACCEPT,
    'revoked.includes(lease.channel)',
    'false',
    'protocol/acceptance',
  ],
  [
    'the cap of a channel is ignored',
    ACCEPT,
    'exposureOf(turn.books, channel) + more > channelCap(turn, lease)',
    'false',
    'protocol/acceptance',
  ],
  [
    'any hub key signs leases',
    ANSWER,
    'if (key === undefined || lease.issuedAt < key.from || lease.issuedAt > key.until)',
    'if (key === undefined)',
    'protocol/terminal-refusals',
  ],
  [
    'a torn greeting silences the link',
    'protocol/machines/terminal/request.ts',
    'if (linkUp && greeted === undefined) turn.send(',
    'if (linkUp && greeted !== undefined) turn.send(',
    'protocol/terminal-table',
  ],
  // ---- rule 6, streams ----
  ['the stream survives the next voucher', PAY, '  closeStream(turn);\n', '', 'protocol/payer-table'],
  [
    'a second tick goes out unanswered',
    STREAM,
    '  if (tickUnanswered(turn)) return;\n',
    '',
    'protocol/payer-table',
  ],
  ['the stream survives a restart', PAYER, 'return closeStream(turn);', 'return;', 'protocol/payer-table'],
  [
    'a late tick counts as delivered',
    SESSION,
    "turn.persist({ type: 'tick', channel, k, preimage, late: true });",
    "turn.persist({ type: 'tick', channel, k, preimage, late: false });",
    'protocol/terminal-table',
  ],
  [
    'ticks are delivered without a lease',
    SESSION,
    'if (live && nextTickRefusal(turn, channel, stream) === undefined) {',
    'if (live) {',
    'protocol/edges',
  ],
  [
    'the preimage is not checked',
    SESSION,
    'if (!equalBytes(turn.context.signing.suite.keccak256(preimage), stream.preimage))',
    'if (false)',
    'protocol/terminal-refusals',
  ],
  [
    'what a cut left uncredited is forgotten',
    TERMINAL,
    '    // The power was cut between a late tick and its credit: the next voucher on the lane would hide what is owed.\n    creditAllLate(turn);\n',
    '',
    'protocol/terminal-table',
  ],
  // ---- rules 7, 10, 11, 12 ----
  [
    'time goes back',
    'protocol/machines/time.ts',
    'Math.max(at, timeNow(time, nowMs))',
    'at',
    'protocol/hub-link',
  ],
  [
    'any acknowledgement clears the outbox',
    SYNC,
    "if (!signedByHub(signing, turn.books.hubKeys, 'Acknowledgement', message, message.signature))",
    'if (false)',
    'protocol/terminal-table',
  ],
  [
    'acknowledging a tick clears the next',
    BOOKS,
    'else if (entry.k > k) {',
    'else if (entry.k > k + 1) {',
    'protocol/hub-link',
  ],
  [
    'a new voucher forgets what is owed to the cap',
    BOOKS,
    'exposure: accepted ? request.amount : ZERO_AMOUNT,',
    'exposure: ZERO_AMOUNT,',
    'protocol/hub-link',
  ],
  [
    'the timing forgets the offline time',
    'protocol/limits.ts',
    'timing.clockError + timing.payeeOfflineMax +',
    'timing.clockError +',
    'protocol/integers',
  ],
  [
    'a bond of a tenth',
    'protocol/limits.ts',
    'BOND_PER_10000 = 2000',
    'BOND_PER_10000 = 1000',
    'protocol/integers',
  ],
  // ---- what is signed and sent ----
  [
    'high S is accepted',
    'protocol/crypto/noble.ts',
    'if (parsed.hasHighS()) return undefined;',
    '',
    'protocol/vectors',
  ],
  [
    'longer forms are accepted',
    'protocol/wire/cbor.ts',
    'if (value < least) this.fail',
    'if (false) this.fail',
    'protocol/vectors',
  ],
  [
    'bytes behind a message are accepted',
    'protocol/wire/cbor.ts',
    "if (this.at !== this.buffer.length) this.fail('malformed', 'bytes follow the message');",
    '',
    'protocol/vectors',
  ],
  [
    'unconfirmed lanes are listed',
    'protocol/vouchers.ts',
    '.filter((lane) => lane.confirmedSeq > 0)',
    '',
    'protocol/edges',
  ],
  [
    'the tick is not bound into its entry',
    'protocol/vouchers.ts',
    'concatBytes(stream, uintBytes(k, 2), preimage)',
    'concatBytes(stream, preimage)',
    'protocol/vectors',
  ],
  // ---- the device below the machines: rules 2 and 13 ----
  [
    'a damaged committed record is read',
    JOURNAL,
    'if (bodySum(head, payload) !== view.getUint32(4, true))',
    'if (false)',
    'device/journal',
  ],
  [
    'the mark is written before the body',
    JOURNAL,
    '    if (!this.writeChecked(at + this.unit, body)) return false;\n    if (!this.mark(at)) return false;',
    '    if (!this.mark(at)) return false;\n    if (!this.writeChecked(at + this.unit, body)) return false;',
    'device/cuts',
  ],
  [
    'an older reader acts on a newer journal',
    JOURNAL,
    'if (newest.minReader > this.version)',
    'if (false)',
    'device/journal',
  ],
  [
    'a bank that was replaced is believed again',
    JOURNAL,
    'if (this.isMarked(superseded))',
    'if (false)',
    'device/journal',
  ],
  [
    'the runtime sends before it stores',
    'device/runtime.ts',
    'const effect = effects[i]!;',
    'const effect = effects[effects.length - 1 - i]!;',
    'device/cuts',
  ],
].map(([name, file, from, to, caughtBy]) => ({ name, file, from, to, caughtBy }));

// One-line breaks that tests once let through, each with the test file that must fail now. `from` must stand exactly
// once in the file.
const PAY = 'protocol/machines/payer/pay.ts';
const PAYER_BOOKS = 'protocol/machines/payer/books.ts';
const BOOKS = 'protocol/machines/terminal/books.ts';
const SESSION = 'protocol/machines/terminal/session.ts';
const SYNC = 'protocol/machines/terminal/sync.ts';
const ACCEPT = 'protocol/machines/terminal/acceptance.ts';
const RUNTIME = 'device/runtime.ts';
const ELEMENT = 'hardware/keys/secure-element.ts';
const REQUEST = 'protocol/machines/terminal/request.ts';

/** Left out of a snapshot, a part of the books is gone after the next bank of flash. */
const SNAPSHOTS = [
  ['membership', BOOKS, "  if (books.member !== undefined) yield { ...books.member, type: 'member' };\n"],
  [
    'the revocation list',
    BOOKS,
    "  if (books.revokedAt > 0) yield { type: 'revoked', at: books.revokedAt, channels: books.revoked };\n",
  ],
  [
    'certificates',
    PAYER_BOOKS,
    "  for (const certificate of books.certificates) yield { ...certificate, type: 'certificate' };\n",
  ],
  [
    'credits that wait',
    BOOKS,
    "  return { type: 'waitingCredit', ...fields };\n",
    "  return { type: 'time', at: 0 as Seconds };\n",
  ],
  [
    "the payer's copies",
    PAYER_BOOKS,
    "    yield { type: 'copy', digest, ...collected } satisfies { type: 'copy' } & CopyRecord;\n",
    '    ;\n',
  ],
  [
    'an open stream',
    PAYER_BOOKS,
    "  if (books.stream !== undefined) yield { ...books.stream, type: 'openStream' };\n",
  ],
  [
    'the stream of a lane',
    BOOKS,
    "  if (stream !== undefined) yield { type: 'laneStream', channel: lane.channel, ...stream };\n",
  ],
  [
    'the newest evicted request',
    BOOKS,
    '    evictedAt: books.evictedAt,\n',
    '    evictedAt: 0 as Seconds,\n',
  ],
].map(([what, file, from, to = '']) => [`a snapshot loses ${what}`, file, from, to, 'protocol/snapshot']);

export const CORNER_MUTATIONS = [
  ...SNAPSHOTS,
  // ---- the payer ----
  [
    "the certificate of another payee's terminal is good",
    PAY,
    'equalBytes(known.terminal, message.terminal) && equalBytes(known.payee, message.payee),',
    'equalBytes(known.terminal, message.terminal),',
    'protocol/payer-corners',
  ],
  [
    "another device's lease is paid on",
    PAY,
    '    !equalBytes(lease.payer, context.self) ||\n',
    '',
    'protocol/payer-corners',
  ],
  [
    "another channel's lease is paid on",
    PAY,
    '    lease.channel !== books.channel ||\n',
    '',
    'protocol/payer-corners',
  ],
  [
    'an open tick is not unanswered',
    PAY,
    'books.unconfirmed.length + (tickUnanswered(turn) ? 1 : 0) >= UNCONFIRMED_MAX',
    'books.unconfirmed.length >= UNCONFIRMED_MAX',
    'protocol/payer-corners',
  ],
  [
    'an older confirmation lowers a listed lane',
    PAYER_BOOKS,
    'if (seq < lane.confirmedSeq || (seq === lane.confirmedSeq && top <= lane.confirmedPaid)) return books.lanes;',
    '',
    'protocol/payer-corners',
  ],
  [
    'an unanswered stream is listed as paid',
    PAYER_BOOKS,
    '      ? books.lanes\n      : confirmLane(books, voucher.payee, voucher.seq, topOf(voucher, revealed));',
    '      ? confirmLane(books, voucher.payee, voucher.seq, topOf(voucher, revealed))\n      : confirmLane(books, voucher.payee, voucher.seq, topOf(voucher, revealed));',
    'protocol/payer-corners',
  ],
  // ---- the terminal ----
  [
    'a session is dropped while its car is plugged in',
    SESSION,
    'if (session === undefined || linkUp || turn.nowMs',
    'if (session === undefined || turn.nowMs',
    'protocol/terminal-corners',
  ],
  [
    'a tick is answered on a new link before its energy flows',
    REQUEST,
    'const k = delivering === 0 ? lane.stream.k : delivering - 1;',
    'const k = lane.stream.k;',
    'protocol/terminal-corners',
  ],
  [
    "another terminal's membership is taken",
    SYNC,
    'if (!equalBytes(message.terminal, turn.context.self)) return;',
    '',
    'protocol/terminal-corners',
  ],
  [
    'a terminal says that it has synced with an outbox that is not empty',
    SYNC,
    ' && allHandedIn(turn);',
    ';',
    'protocol/terminal-corners',
  ],
  ['a membership never ends', ACCEPT, ' && now <= member.expiresAt;', ');', 'protocol/terminal-corners'],
  [
    'a tick that is too dear is taken',
    ACCEPT,
    "if (tickTooDear(voucher, lease)) return 'stream_terms';",
    '',
    'protocol/terminal-corners',
  ],
  [
    'a chain that leads beyond any amount is taken',
    ACCEPT,
    'voucher.spent > lease.spendLimit || overflows(voucher)',
    'voucher.spent > lease.spendLimit',
    'protocol/terminal-corners',
  ],
  // ---- the device below the machines ----
  [
    "an old link's close cuts the new one",
    RUNTIME,
    'if (this.attached === link) this.detachLink();',
    'this.detachLink();',
    'device/runtime',
  ],
  [
    'a flash that gave up does not freeze the device',
    RUNTIME,
    'this.journal === undefined || FLASH_FAULTS.has(error.code)',
    'this.journal === undefined',
    'device/runtime',
  ],
  [
    'a full block of a frame adds a zero',
    'device/links/framing.ts',
    'if (code !== 0xff && at < end) body[length++] = 0;',
    'if (at < end) body[length++] = 0;',
    'device/framing',
  ],
  [
    'a chain that is used up ends the charge',
    'device/roles/charger.ts',
    "if (notice.reason === 'used_up') void this.ask();\n        else this.meter.stop();",
    'this.meter.stop();',
    'device/charger',
  ],
  [
    'the flash of a Node device sets bits',
    'hardware/boards/node/flash.ts',
    'next[i] = this.content[offset + i]! & bytes[i]!;',
    'next[i] = bytes[i]!;',
    'device/node-flash',
  ],
  [
    'the witness is written before the signature only',
    ELEMENT,
    'const signature = await element.sign(digest);\n      witness.write(element.counter);\n      return signature;',
    'witness.write(element.counter + 1);\n      return element.sign(digest);',
    'device/secure-element',
  ],
  [
    'a signature leaves before the witness has it',
    ELEMENT,
    '      witness.write(element.counter);\n',
    '',
    'device/secure-element',
  ],
].map(([name, file, from, to, caughtBy]) => ({ name, file, from, to, caughtBy }));

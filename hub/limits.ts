/** Every bound of the hub, each with its reason. A bound that is met is reported by a named code, never silently. */

/** Lanes (or rows) of one settlement: 1,000 single vouchers stay below 16.8 million gas, the cap of a transaction. */
export const batchLanesMax = 1_000;

/** Bytes of one signed settlement: what nodes carry, 128 KiB. */
export const transactionBytesMax = 131_072;

/** Bytes of one ledger record. The largest is the intent of a full batch: its transaction, and 1,000 row references. */
export const recordBytesMax = 262_144;

/** Bytes of one group of records written and synced together: one fdatasync costs about as much as writing 1 MiB. */
export const groupBytesMax = 1_048_576;

/** Records of one group: the count is a uint16 on disk, and a group is decoded in one piece. */
export const groupRecordsMax = 8_192;

/** Bytes waiting for the disk. Sixteen groups are seconds of work; more would only hide that the disk is too slow. */
export const ledgerQueueBytesMax = 16 * groupBytesMax;

/** Records waiting for the disk: what a promise and its closures cost each, kept under some 30 MiB in all. */
export const ledgerQueueRecordsMax = 65_536;

/** Bytes after which a segment file is closed and the next begun. A segment is read into memory in one piece. */
export const segmentBytesMax = 32 * 1_048_576;

/**
 * Bytes of the registry's log up to which it isn't begun anew: below, the snapshot would be written more often than it
 * saves a start's time. Above, the log is at most twice its snapshot.
 */
export const registryLogBytesMin = 1_048_576;

/** Milliseconds between attempts to write again after the disk failed; doubles from the first to the second. */
export const ledgerRetryMs = { first: 50, last: 5_000 } as const;

/** Milliseconds between two segments that are read again while the hub runs: a minute's disk time an hour, a year of a site in days. */
export const scrubPauseMs = 30_000;

/** Positions that a recovery passes over at most: each costs a record of some 30 bytes. */
export const lostRecordsMax = 10_000_000;

/**
 * Positions that a recovery passes over when nobody knows how many were signed after a backup: a hub at 50 entries a second
 * signs fewer within five hours.
 */
export const recoverMargin = 1_000_000;

/** Checkpoints of the past that a beacon found at the broker is compared with: a second of hashing. */
export const keptSizesMax = 65_536;

/** Positions are uint48 in every signed message. */
export const positionMax = 2 ** 48 - 1;

/** Clients of the embedded broker: one box, one site; a file descriptor and some 50 KiB each. */
export const brokerClientsMax = 2_000;

/** Connections from one address: a site behind one router, and not all places that there are. */
export const brokerClientsPerAddressMax = 500;

/**
 * What one device may say, bytes a second and at once: a till's full outbox of 1,024 vouchers goes up in one go, and then
 * two packs a second, more than it can sell.
 */
export const deviceRate = { perSecond: 32_768, burst: 1_048_576 } as const;

/** The same of all connections from one address: a site behind one router, and less than the hub can take in. */
export const addressRate = { perSecond: 262_144, burst: 16 * 1_048_576 } as const;

/** Connections that one address may begin, a second and at once: all of a site come again when the hub does. */
export const knockRate = { perSecond: 20, burst: 2 * brokerClientsPerAddressMax } as const;

/** What the smallest message or packet counts, bytes: it costs the hub something, however little it says. */
export const spokenOverheadBytes = 64;

/** Names of devices, or addresses, whose rates are remembered, some 150 bytes each. */
export const ratedNamesMax = 10_000;

/** Milliseconds between two lines of the log about devices that say more than they may. */
export const ratedLineEveryMs = 10_000;

/** Messages of one device that are being worked on, half of ingestInFlightMax: a device sends one pack and waits. */
export const deviceInFlightMax = 128;

/** Names that are there and never registered: the newest are remembered, some 100 bytes each. */
export const strangersMax = 1_000;

/** Devices without a place in the registry whose logins are remembered, some 100 bytes each. */
export const loginsRememberedMax = 10_000;

/** Bytes of a device's presence: `online` or `offline`. */
export const stateBytesMax = 16;

/** Messages from the broker that are being worked on. Further ones wait in the broker, whose window they fill. */
export const ingestInFlightMax = 256;

/** Messages of one device nearby that are being worked on: a device waits for answers, so more is no device's way. */
export const nearInFlightMax = 64;

/** Messages to one broker that it has not confirmed. Beyond it acknowledgements are dropped: devices send again. */
export const downInFlightMax = 8_192;

/** Records handed to the ledger and not yet durable. Below the ledger's own bound, so that its refusals mean faults. */
export const pendingRecordsMax = 8_192;

/** Durable records that are written to the index in one go: some 50 ms of the hub's time, and what they cost in memory. */
export const indexBatchRecords = 2_048;

/** Milliseconds after which fewer are written too: a start replays little. */
export const indexRestMs = 1_000;

/** Milliseconds until the index is tried again after its disk refused it. */
export const indexRetryMs = 10_000;

/** Records of one batch while an index is built: the digests of one batch are put in order, and the larger it is, the nearer they lie. */
export const indexBuildRecords = 32_768;

/**
 * Entries in memory that the index doesn't have, beyond which further ones are refused: it is behind by so many only when
 * its disk fails. A start after a cut replays them, in about a second.
 */
export const indexLagMax = 65_536;

/**
 * Records at the end of the ledger that a start leaves in memory: a voucher and the evidence that it gave are apart by no
 * more than what waits for the disk, so whatever has none yet is looked at again.
 */
export const indexTailRecords = 2 * pendingRecordsMax;

/** Records between two lines of the log while an index is built. */
export const indexProgressRecords = 250_000;

/**
 * Entries from which on a hub with room for `indexedMax` signs no lease: the last eighth is for what terminals still
 * hold, and accept on leases that are out.
 */
export const leasedEntriesMax = (indexedMax: number): number => indexedMax - Math.ceil(indexedMax / 8);

/** Entries from which on the log warns: while leases are still signed. */
export const indexWarningFor = (indexedMax: number): number => Math.floor((indexedMax * 3) / 4);

/** Devices waiting for one acknowledgement: a terminal, its payer, and some that retry. */
export const waitersMax = 8;

/**
 * Blocks that are read and stored in one step of the watch: as few as a tired node gives, as many as still fit into a
 * minute, so that a hub that starts late sees its progress.
 */
export const watchBlocks = { least: 10, first: 100, most: 10_000 } as const;

/** Blocks without events after which how far was read is stored: so many are read again after a crash. */
export const watchStoredEvery = 1_000;

/** Headers that one request asks for, some 100 KiB of answer. Nodes bound this as well: it shrinks with what they take. */
export const headersInBatch = 64;

/** Questions about blocks that a node which takes no batches is asked at once: it has others to answer. */
export const headersAtOnce = 16;

/** Hashes of final blocks that are kept: near ones all, the others ever farther apart, some 50 bytes each. */
export const finalHashesMax = 64;

/** Depth at which a block counts as final on a chain that has no finality of its own and no `chain.finalityBlocks`. */
export const finalityBlocksUnsaid = 64;

/** Nodes of one hub: each is asked everything about what is final. */
export const nodesMax = 5;

/** Milliseconds after which a look at L2 that has not ended is told as trouble. */
export const chainSilenceMs = 8_000;

/** Longest pause between attempts while L2 is out of reach, milliseconds: it is found again within that time. */
export const chainRetryMsMax = 30_000;

/** Vouchers with a payee's credit that L2 is asked about at once: some seconds of one node's time. */
export const creditRowsMax = 100;

/** Transactions of one look by which the registry on L2 is told what it lacks: the others come with the next. */
export const carriedAtOnceMax = 8;

/**
 * The same of a day of L2: every merchant of a desk that was just moved, twice over. A word of the root or a change at the
 * desk is one; whatever is wrong, gas for more is not spent.
 */
export const carriedDayMax = 2_000;

/** Vouchers that one record of evidence can name. */
export const evidenceMax = 500;

/**
 * Vouchers that are shown to L2 at once, as proof or as shortfall: of the largest and dearest kind (a stream of all
 * ticks, a P-256 payer, the request opened) 325 bytes and 45,000 gas each, so that all fit one transaction.
 */
export const shownRowsMax = 300;

/**
 * Times that one batch is signed again because gas became dearer: each is looked up when the batch is. As each offers
 * at least twice what the last one did, gas may become a million times dearer meanwhile.
 */
export const replacementsMax = 20;

/**
 * Blocks for which a batch may wait behind a nonce that a reorganisation set free: what was taken back usually comes
 * again within a few. Afterwards the batch is signed again with the free nonce.
 */
export const nonceGapBlocks = 10;

/** Vouchers on one status page, some 400 bytes each: the next page begins at the seq after the last. */
export const pageEntriesMax = 1_000;

/** Seconds before the last certified key ends from which on every beacon warns: time to get at an offline root. */
export const keyWarningSeconds = 5 * 86_400;
/** Payees without an id on L2 that one status page names. */
export const unregisteredShownMax = 100;

/** Merchants of one hub: their names and keys are read whole at the start. */
export const merchantsMax = 1_000;
/** Enrolment codes that wait at once. */
export const codesMax = 2_000;
/** Devices that were ever enrolled: as many as the registry takes. */
export const enrolledMax = 10_000;
/** Texts that wallets were given to sign, and have not yet. */
export const challengesMax = 1_000;
/** Tokens, sign-in links and sessions, each. */
export const tokensMax = 1_000;
/** Bytes of one file of the audit log: some 100,000 lines. */
export const auditFileBytesMax = 16 * 1024 * 1024;
/** Items of one page of an answer. */
export const pageMax = 500;

/** Payees that a terminal may have had, the present one too: who moves more often hands in what it sold for the first before. */
export const terminalPayeesMax = 16;

/** Seconds that a site's `watchLag` and `clockError` may be at most: what is kept for as long as either asks follows from them. */
export const watchLagMax = 7 * 86_400;
export const clockErrorMax = 86_400;

/** Records that are read from a shared store at once: some 2 MB, one question a few milliseconds. */
export const sharedReadRecords = 4_096;

/** Messages that a worker decides in one turn, and appends with one call. */
export const turnMessagesMax = 256;

/** Times that a worker decides a turn anew because others were faster, before it tells the devices to send again. */
export const turnAttemptsMax = 16;

/** Milliseconds between two looks of a worker at what the others did. */
export const sharedLookMs = 100;

/**
 * Milliseconds for which a worker is elected. It prolongs that three times as often; another one takes over when it was
 * silent for so long.
 */
export const electedMs = 6_000;

/** Lanes of announced batches that the hub follows: some 200 bytes each in its registry, and each costs its announcer gas. */
export const announcedLanesMax = 20_000;
/** In which a due batch can be executed, seconds of the vault's clock: the vault's ANNOUNCEMENT_LIFE. */
export const announcementLife = 7 * 86_400;

/** Bytes and rounds that opening a locked key may take at most, whatever its file says: half a GiB, and some seconds. */
export const keystoreMemoryMax = 536_870_912;
export const keystoreRoundsMax = 10_000_000;

/** Words that a remote signer is asked for at once: what is acknowledged together. */
export const signerBatchMax = 256;

/** Milliseconds that a remote signer may take: its disk's fsync, and a busy machine. */
export const signerTimeoutMs = 10_000;

/** Passkeys of one hub, and of one person: phone, computer, a stick in the safe. */
export const passkeysMax = 1_000;
export const passkeysOfOneMax = 8;
/** Acts that wait for a second person, and for how long, seconds. */
export const approvalsMax = 100;
export const approvalSeconds = 86_400;

/** Webhooks of one hub: each reads the ledger for itself. */
export const hooksMax = 20;
/** Characters of a webhook's URL. */
export const hookUrlMax = 500;
/** Milliseconds that a receiver may take for one event, from the lookup of its name to its status. */
export const hookTimeoutMs = 10_000;
/** Milliseconds between two attempts: doubles from the first to the last. */
export const hookRetryMs = { first: 5_000, last: 3_600_000 } as const;
/** Seconds of failures without one success, and attempts among them, after which a webhook is disabled by name. */
export const hookPatience = { seconds: 5 * 86_400, attempts: 8 } as const;
/** Seconds for which a replaced secret signs beside the new one. */
export const hookSecretOverlap = 86_400;
/** Events that stand in no ledger (a device that is gone, an alert) and wait to be told; the oldest goes first. */
export const hookNotesMax = 1_000;
/** Records of the newest past that are kept for webhooks, so that the ledger is not read again for each. */
export const hookRecentMax = 1_024;
/** Events that are read from the ledger in one go by a webhook that is behind. */
export const hookSliceMax = 500;
/** Milliseconds between two looks at which devices are gone and what is wrong. */
export const hookLookMs = 30_000;
/** Milliseconds until a place in the ledger that was told is stored: what a crash tells twice. */
export const hookStoreMs = 1_000;

/** Records, and spans, that wait for a collector of traces: some MB; the oldest make room. */
export const traceQueueMax = 4_096;
/** Spans of one call to the collector, and milliseconds that it may take. */
export const traceBatchMax = 512;
export const traceTimeoutMs = 10_000;
/** Milliseconds between two calls. */
export const traceEveryMs = 1_000;
/** Payments of one lane that are looked back at when a settlement covers them all. */
export const traceLaneMax = 256;
/** Lanes of which it is remembered how far they were told as settled. */
export const traceLanesMax = 10_000;

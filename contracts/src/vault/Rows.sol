// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Digests} from "./Digests.sol";
import {Reasons} from "./Reasons.sol";
import {Signatures} from "./Signatures.sol";

/// @notice Reads the packed rows of a batch (or of a proof's evidence) and finds out who signed them.
/// @dev The format is documented byte for byte in contracts/README.md. Only the encoder of a batch decides over its
/// framing, never a payer or a payee, so broken framing reverts; whatever a signer could have made wrong is a `fault`.
library Rows {
    /// The batch's first byte isn't the version that this vault reads.
    error UnknownFormat(uint256 version);
    /// Payee ids must rise strictly: a payee listed twice would lose money when its balance is written back.
    error PayeesNotRising(uint256 index);
    /// A row names a payee that the header doesn't.
    error UnknownPayeeIndex(uint256 index);
    /// A row ends behind the batch.
    error TruncatedRow(uint256 offset);
    /// No such row kind or combination of parts.
    error UnknownRow(uint256 kindByte, uint256 offset);
    /// A statement lists at most 32 lanes.
    error ListTooLong(uint256 count, uint256 offset);

    /// Version of the batch format.
    uint256 internal constant FORMAT = 1;
    /// A voucher that lists no other lane.
    uint256 internal constant PLAIN = 1;
    /// A voucher whose `lanes` travels as 16 bytes; only its own lane settles.
    uint256 internal constant LANES = 2;
    /// A voucher with the lanes it lists: one signature settles them all.
    uint256 internal constant STATEMENT = 3;
    /// A stream with k revealed ticks.
    uint256 internal constant STREAM = 4;
    /// Part: the hub's acknowledgement of exactly this row's entry, 75 bytes; it speeds the row's own lane.
    uint256 internal constant ACKNOWLEDGED = 0x10;
    /// Part: the request opened, 63 bytes.
    uint256 internal constant OPENED = 0x20;
    /// Part: a credit on this voucher, 70 bytes; needs the opened request.
    uint256 internal constant CREDIT = 0x40;
    /// Part: the payer's P-256 key, 64 bytes.
    uint256 internal constant P256 = 0x80;

    /// The design allows 32 other lanes in a voucher: the list must be sendable in one tap's memory.
    uint256 internal constant LIST_MAX = 32;
    /// Ticks of one stream; a payer hashes at most this often to reveal the first tick.
    uint256 internal constant TICKS_MAX = 256;

    uint256 internal constant COMMON_BYTES = 119;
    uint256 private constant HEADER_BYTES = 3;
    uint256 private constant LANES_BYTES = 16;
    uint256 private constant STREAM_BYTES = 74;
    uint256 private constant ENTRY_BYTES = 8;
    uint256 private constant KEY_BYTES = 64;
    uint256 private constant OPENING_BYTES = 63;
    uint256 private constant CREDIT_BYTES = 70;
    uint256 private constant ACKNOWLEDGEMENT_BYTES = 75;
    uint256 private constant MASK160 = (1 << 160) - 1;
    uint256 private constant MASK48 = 0xffffffffffff;
    uint256 private constant MASK32 = 0xffffffff;

    bytes32 private constant VOUCHER_TYPEHASH = Digests.VOUCHER_TYPEHASH;
    bytes32 private constant STREAM_TYPEHASH = Digests.STREAM_TYPEHASH;
    bytes32 private constant REQUEST_TYPEHASH = Digests.REQUEST_TYPEHASH;

    /// @notice One row as read. One instance is reused for all rows of a batch.
    /// @dev The first ten words are the message as EIP-712 encodes it, so that it is hashed where it stands. After the
    /// digest is taken, `spent` and `paid` of a stream move on to where its revealed ticks leave them.
    struct Row {
        bytes32 typehash;
        uint256 channel;
        uint256 seq;
        /// Total spent after this message: of a stream, after the revealed ticks.
        uint256 spent;
        /// Account of the payee, 0 when the header doesn't name a registered one.
        uint256 account;
        /// Total paid on the lane after this message: of a stream, after the revealed ticks.
        uint256 paid;
        /// Lanes of a voucher, request of a stream.
        bytes32 word6;
        /// Request of a voucher, anchor of a stream.
        bytes32 word7;
        /// Tick value and ticks of a stream.
        uint256 word8;
        uint256 word9;
        /// Kind byte: kind in the low four bits, parts above.
        uint256 kind;
        /// Index of the payee in the header.
        uint256 payee;
        /// Why the row can't be used; APPLIED when it can.
        uint256 fault;
        /// What this message itself moves: the opened request's amount, a stream's revealed ticks, 0 when not opened.
        uint256 amount;
        /// Number of a statement's entries, and their calldata offset.
        uint256 listCount;
        uint256 listAt;
        /// Calldata offset of the credit part, 0 when there is none.
        uint256 creditAt;
        address signer;
        /// EIP-712 digest: the id of the voucher.
        bytes32 digest;
        /// 66 bytes: 0x1901, the domain separator, and room for a struct hash.
        uint256 prefix0;
        uint256 prefix1;
        uint256 prefix2;
        /// What the recovery precompile reads: digest, parity, r, s.
        uint256 recover0;
        uint256 recover1;
        uint256 recover2;
        uint256 recover3;
        /// Calldata offset of the acknowledgement, 0 when there is none.
        uint256 acknowledgedAt;
        /// What an acknowledgement of this row names: the digest, of a stream's ticks a hash of them too.
        bytes32 entry;
    }

    /// @notice Where a batch is read from.
    struct Reader {
        /// Memory address of the payees' storage words, in header order.
        uint256 payees;
        uint256 payeeCount;
        /// Calldata offset behind the batch.
        uint256 end;
        /// Payee ids, in header order.
        uint256[] ids;
        /// Calldata offset of the next row.
        uint256 at;
        /// Memory address of the next outcome.
        uint256 to;
        /// True when the row before `at` is read but not settled.
        bool left;
        /// True when every row settles at once: a settler's batch, or an announced one that is due.
        bool fast;
        /// Memory address of the first id, and 32 times payeeCount: for code that can't afford to work them out.
        uint256 idsAt;
        uint256 payeesSize;
    }

    /// @notice A row whose digests belong to a domain.
    function make(bytes32 separator) internal pure returns (Row memory row) {
        row.typehash = VOUCHER_TYPEHASH;
        row.kind = PLAIN;
        setDomain(row, separator);
    }

    /// @notice Makes a row's digests belong to a domain.
    function setDomain(Row memory row, bytes32 separator) internal pure {
        assembly ("memory-safe") {
            mstore(add(row, 0x260), shl(240, 0x1901))
            mstore(add(row, 0x262), separator)
        }
    }

    /// @notice Reads a batch's header: where its rows begin and end, and the payees' ids.
    function readIds(Reader memory reader, bytes calldata batch) internal pure returns (uint256[] memory ids) {
        unchecked {
            uint256 start;
            uint256 head;
            assembly ("memory-safe") {
                start := batch.offset
                head := calldataload(start)
            }
            reader.end = start + batch.length;
            if (batch.length < HEADER_BYTES) revert TruncatedRow(start);
            if (head >> 248 != FORMAT) revert UnknownFormat(head >> 248);
            uint256 count = (head >> 232) & 0xffff;
            reader.at = start + HEADER_BYTES + 4 * count;
            if (reader.at > reader.end) revert TruncatedRow(start);

            ids = new uint256[](count);
            uint256 previous;
            // At most 65,535 payees, each paid for by its four bytes of calldata.
            for (uint256 i = 0; i < count; ++i) {
                uint256 id;
                assembly ("memory-safe") {
                    id := shr(224, calldataload(add(add(start, HEADER_BYTES), shl(2, i))))
                }
                if (id <= previous) revert PayeesNotRising(i);
                previous = id;
                ids[i] = id;
            }
            reader.payeeCount = count;
            reader.payeesSize = 32 * count;
            reader.ids = ids;
            uint256 idsAt;
            assembly ("memory-safe") {
                idsAt := add(ids, 0x20)
            }
            reader.idsAt = idsAt;
        }
    }

    /// @notice Gives the reader the payees' words, in header order.
    function setPayees(Reader memory reader, uint256[] memory words) internal pure {
        uint256 wordsAt;
        assembly ("memory-safe") {
            wordsAt := add(words, 0x20)
        }
        reader.payees = wordsAt;
    }

    /// @notice The payee's storage word at an index of the header.
    function payeeWord(Reader memory reader, uint256 index) internal pure returns (uint256 word) {
        if (index >= reader.payeeCount) revert UnknownPayeeIndex(index);
        uint256 at = reader.payees;
        assembly ("memory-safe") {
            word := mload(add(at, shl(5, index)))
        }
    }

    /// @notice Reads one row.
    /// @param row made by make, filled by this call
    /// @param reader moves on to the next row
    function read(Row memory row, Reader memory reader) internal view {
        unchecked {
            uint256 at = reader.at;
            uint256 kindByte;
            uint256 head;
            assembly ("memory-safe") {
                head := calldataload(at)
            }
            // 23 bytes: kind 1, channel 4, seq 4, spent 6, payee 2, paid 6.
            kindByte = head >> 248;
            row.kind = kindByte;
            row.typehash = VOUCHER_TYPEHASH;
            row.channel = (head >> 216) & MASK32;
            row.seq = (head >> 184) & MASK32;
            row.spent = (head >> 136) & MASK48;
            row.payee = (head >> 120) & 0xffff;
            row.account = payeeWord(reader, row.payee) & MASK160;
            row.paid = (head >> 72) & MASK48;
            row.word6 = 0;
            row.fault = Reasons.APPLIED;
            row.amount = 0;
            row.listCount = 0;
            row.creditAt = 0;
            row.acknowledgedAt = 0;
            assembly ("memory-safe") {
                mstore(add(row, 0xe0), calldataload(add(at, 23)))
            }
            reader.at = _readExtras(row, reader, at);

            uint256 words = kindByte & 0x0f == STREAM ? 0x140 : 0x100;
            bytes32 digest;
            uint256 r;
            uint256 vs;
            assembly ("memory-safe") {
                mstore(add(row, 0x282), keccak256(row, words))
                digest := keccak256(add(row, 0x260), 0x42)
                r := calldataload(add(at, 55))
                vs := calldataload(add(at, 87))
            }
            row.digest = digest;
            address signer = kindByte & P256 == 0
                ? Signatures.recover(digest, r, vs)
                : Signatures.verifyP256(digest, at + 55, _partsAt(row, at));
            row.signer = signer;
            if (row.acknowledgedAt != 0) row.entry = _entryOf(row, at);
            if (signer == address(0)) {
                row.fault = Reasons.BAD_SIGNATURE;
                return;
            }
            // Only now: what a stranger made up in an unsigned row is BAD_SIGNATURE or UNKNOWN_SIGNER, nothing else.
            if (kindByte & 0x0f == STREAM) _readTicks(row, at + COMMON_BYTES);
            if (kindByte & OPENED != 0 && row.fault == Reasons.APPLIED) {
                _readOpening(row, _partsAt(row, at) + (kindByte & P256 == 0 ? 0 : KEY_BYTES), at);
            }
        }
    }

    /// Reads what stands behind the common part, as far as the digest needs it.
    function _readExtras(Row memory row, Reader memory reader, uint256 at) private pure returns (uint256 next) {
        unchecked {
            uint256 kindByte = row.kind;
            uint256 kind = kindByte & 0x0f;
            uint256 extrasAt = at + COMMON_BYTES;
            if (kind == 0 || kind > STREAM) revert UnknownRow(kindByte, at);
            if (kind == STATEMENT) _readListSize(row, extrasAt);
            uint256 partsAt = _partsAt(row, at);
            next = partsAt;
            if (kindByte & P256 != 0) next += KEY_BYTES;
            if (kindByte & OPENED != 0) next += OPENING_BYTES;
            if (kindByte & CREDIT != 0) {
                // A credit is bounded by the amount its opened request names, and concerns one lane only.
                if (kindByte & OPENED == 0 || kind == STATEMENT) revert UnknownRow(kindByte, at);
                row.creditAt = next;
                next += CREDIT_BYTES;
            }
            if (kindByte & ACKNOWLEDGED != 0) {
                // A credit is immediate for everybody.
                if (kindByte & CREDIT != 0) revert UnknownRow(kindByte, at);
                row.acknowledgedAt = next;
                next += ACKNOWLEDGEMENT_BYTES;
            }
            if (next > reader.end) revert TruncatedRow(at);

            if (kind == LANES) {
                assembly ("memory-safe") {
                    // bytes16 stands left in its word.
                    mstore(add(row, 0xc0), shl(128, shr(128, calldataload(extrasAt))))
                }
            } else if (kind == STATEMENT) {
                row.word6 = _listHash(row, reader);
            } else if (kind == STREAM) {
                bytes32 typehash = STREAM_TYPEHASH;
                assembly ("memory-safe") {
                    mstore(row, typehash)
                    mstore(add(row, 0xc0), calldataload(add(at, 23)))
                    mstore(add(row, 0xe0), calldataload(extrasAt))
                    let terms := calldataload(add(extrasAt, 32))
                    mstore(add(row, 0x100), shr(208, terms))
                    mstore(add(row, 0x120), and(shr(192, terms), 0xffff))
                }
            }
        }
    }

    /// Calldata offset of the optional parts, which stand in the order key, opening, credit.
    function _partsAt(Row memory row, uint256 at) private pure returns (uint256) {
        unchecked {
            uint256 kind = row.kind & 0x0f;
            if (kind == LANES) return at + COMMON_BYTES + LANES_BYTES;
            if (kind == STREAM) return at + COMMON_BYTES + STREAM_BYTES;
            if (kind == STATEMENT) return at + COMMON_BYTES + 1 + row.listCount * ENTRY_BYTES;
            return at + COMMON_BYTES;
        }
    }

    /// Reads the number of a statement's entries.
    function _readListSize(Row memory row, uint256 extrasAt) private pure {
        uint256 count;
        assembly ("memory-safe") {
            count := shr(248, calldataload(extrasAt))
        }
        if (count > LIST_MAX) revert ListTooLong(count, extrasAt);
        unchecked {
            row.listAt = extrasAt + 1;
            row.listCount = count;
        }
    }

    /// keccak256 over (payee 20 bytes, paid 6 bytes) of each entry, cut to 16 bytes; zero for an empty list.
    function _listHash(Row memory row, Reader memory reader) private pure returns (bytes32 lanes) {
        uint256 count = row.listCount;
        if (count == 0) return 0;
        uint256 at = row.listAt;
        uint256 sum = row.paid;
        uint256 free;
        uint256 to;
        uint256 highest;
        uint256 payees = reader.payees;
        unchecked {
            // At most LIST_MAX entries of 8 bytes: payee index 2, paid 6.
            uint256 end = at + count * ENTRY_BYTES;
            assembly ("memory-safe") {
                free := mload(0x40)
                to := free
                for {} lt(at, end) { at := add(at, 8) } {
                    let entry := calldataload(at)
                    let index := shr(240, entry)
                    if gt(index, highest) { highest := index }
                    let paid := and(shr(192, entry), 0xffffffffffff)
                    sum := add(sum, paid)
                    // The shift drops what stands above the account in its word.
                    mstore(to, or(shl(96, mload(add(payees, shl(5, index)))), shl(48, paid)))
                    to := add(to, 26)
                }
            }
            if (highest >= reader.payeeCount) revert UnknownPayeeIndex(highest);
            if (sum > row.spent) row.fault = Reasons.LIST_ABOVE_SPENT;
            assembly ("memory-safe") {
                lanes := shl(128, shr(128, keccak256(free, sub(to, free))))
            }
        }
    }

    /// What the hub acknowledges of this row: the digest, or of a stream with ticks keccak256(digest, k, preimage).
    function _entryOf(Row memory row, uint256 at) private pure returns (bytes32 entry) {
        entry = row.digest;
        if (row.kind & 0x0f == STREAM) {
            unchecked {
                at += COMMON_BYTES + 40;
            }
            assembly ("memory-safe") {
                if shr(240, calldataload(at)) {
                    let free := mload(0x40)
                    mstore(free, entry)
                    calldatacopy(add(free, 0x20), at, 34)
                    entry := keccak256(free, 66)
                }
            }
        }
    }

    /// Checks the preimage and raises `paid` and `spent` by the revealed ticks.
    function _readTicks(Row memory row, uint256 extrasAt) private pure {
        uint256 ticks = row.word9;
        uint256 k;
        bytes32 hash;
        assembly ("memory-safe") {
            k := and(shr(176, calldataload(add(extrasAt, 32))), 0xffff)
            hash := calldataload(add(extrasAt, 42))
        }
        if (ticks > TICKS_MAX || k > ticks) {
            row.fault = Reasons.BAD_TICKS;
            return;
        }
        assembly ("memory-safe") {
            // At most TICKS_MAX rounds.
            mstore(0, hash)
            for { let i := 0 } lt(i, k) { i := add(i, 1) } { mstore(0, keccak256(0, 0x20)) }
            hash := mload(0)
        }
        if (hash != row.word7) {
            row.fault = Reasons.BAD_PREIMAGE;
            return;
        }
        unchecked {
            // 16 bits times 48 bits can't leave 256.
            uint256 moved = k * row.word8;
            uint256 spent = row.spent + moved;
            uint256 paid = row.paid + moved;
            if (spent > MASK48 || paid > MASK48) {
                row.fault = Reasons.OVERFLOW;
                return;
            }
            row.spent = spent;
            row.paid = paid;
            row.amount = moved;
        }
    }

    /// Checks the opened request and takes its amount. A stream's amount stays what its ticks moved.
    function _readOpening(Row memory row, uint256 openingAt, uint256 at) private pure {
        bytes32 typehash = REQUEST_TYPEHASH;
        uint256 amount;
        bool matches;
        assembly ("memory-safe") {
            let free := mload(0x40)
            amount := shr(208, calldataload(add(openingAt, 20)))
            mstore(free, typehash)
            mstore(add(free, 0x20), shr(96, calldataload(openingAt)))
            mstore(add(free, 0x40), amount)
            mstore(add(free, 0x60), shr(216, calldataload(add(openingAt, 26))))
            mstore(add(free, 0x80), calldataload(add(openingAt, 31)))
            matches := eq(keccak256(free, 0xa0), calldataload(add(at, 23)))
        }
        if (!matches) row.fault = Reasons.BAD_OPENING;
        else if (row.kind & 0x0f != STREAM) row.amount = amount;
    }
}

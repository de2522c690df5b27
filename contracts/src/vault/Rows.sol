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

    uint256 private constant COMMON_BYTES = 119;
    uint256 private constant LANES_BYTES = 16;
    uint256 private constant STREAM_BYTES = 74;
    uint256 private constant ENTRY_BYTES = 8;
    uint256 private constant KEY_BYTES = 64;
    uint256 private constant OPENING_BYTES = 63;
    uint256 private constant CREDIT_BYTES = 70;
    uint256 private constant MASK160 = (1 << 160) - 1;
    uint256 private constant MASK48 = 0xffffffffffff;
    uint256 private constant MASK32 = 0xffffffff;

    bytes32 private constant VOUCHER_TYPEHASH = Digests.VOUCHER_TYPEHASH;
    bytes32 private constant STREAM_TYPEHASH = Digests.STREAM_TYPEHASH;
    bytes32 private constant REQUEST_TYPEHASH = Digests.REQUEST_TYPEHASH;

    /// @notice One row as read. One instance is reused for all rows of a batch.
    struct Row {
        /// Kind byte: kind in the low four bits, parts above.
        uint256 kind;
        uint256 channel;
        uint256 seq;
        /// Index into the header's payees.
        uint256 payee;
        /// Total spent after this message: of a stream, after the revealed ticks.
        uint256 spent;
        /// Total paid on the lane after this message: of a stream, after the revealed ticks.
        uint256 paid;
        /// What this message itself moves: the opened request's amount, a stream's revealed ticks, 0 when not opened.
        uint256 amount;
        /// EIP-712 digest: the id of the voucher.
        bytes32 digest;
        address signer;
        /// Why the row can't be used; APPLIED when it can.
        uint256 fault;
        /// Calldata offset and number of a statement's entries.
        uint256 listAt;
        uint256 listCount;
        /// Calldata offset of the credit part, 0 when there is none.
        uint256 creditAt;
    }

    /// @notice Where a batch is read from.
    struct Reader {
        /// Memory address of the payees' storage words, in header order.
        uint256 payees;
        uint256 payeeCount;
        /// Calldata offset behind the batch.
        uint256 end;
        /// EIP-712 domain separator.
        bytes32 separator;
    }

    /// @notice The payee's storage word at an index of the header; zero when there is none.
    function payeeWord(Reader memory reader, uint256 index) internal pure returns (uint256 word) {
        if (index >= reader.payeeCount) return 0;
        uint256 at = reader.payees;
        assembly ("memory-safe") {
            word := mload(add(at, shl(5, index)))
        }
    }

    /// @notice Reads one row.
    /// @param row filled by this call
    /// @param at calldata offset of the row
    /// @return next calldata offset behind the row
    function read(Row memory row, Reader memory reader, uint256 at) internal view returns (uint256 next) {
        unchecked {
            uint256 kindByte;
            uint256 extrasAt = at + COMMON_BYTES;
            {
                uint256 head;
                assembly ("memory-safe") {
                    head := calldataload(at)
                }
                // 23 bytes: kind 1, channel 4, seq 4, spent 6, payee 2, paid 6.
                kindByte = head >> 248;
                row.kind = kindByte;
                row.channel = (head >> 216) & MASK32;
                row.seq = (head >> 184) & MASK32;
                row.spent = (head >> 136) & MASK48;
                row.payee = (head >> 120) & 0xffff;
                row.paid = (head >> 72) & MASK48;
            }
            row.fault = Reasons.APPLIED;
            row.amount = 0;
            row.listCount = 0;
            row.creditAt = 0;

            uint256 kind = kindByte & 0x0f;
            if (kind == PLAIN) next = extrasAt;
            else if (kind == LANES) next = extrasAt + LANES_BYTES;
            else if (kind == STATEMENT) next = _readListSize(row, extrasAt);
            else if (kind == STREAM) next = extrasAt + STREAM_BYTES;
            else revert UnknownRow(kindByte, at);

            uint256 keyAt = next;
            if (kindByte > 0x0f) next = _readParts(row, kindByte, kind, at, keyAt);
            if (next > reader.end) revert TruncatedRow(at);

            // Masked by hand: a cast leaves the balance above the account in place, and assembly would hash it.
            uint256 payee = payeeWord(reader, row.payee) & MASK160;
            if (payee == 0) {
                row.fault = Reasons.UNKNOWN_PAYEE;
                return next;
            }
            if (kind == STREAM) {
                row.digest = _streamDigest(at, payee, reader.separator);
            } else {
                bytes32 lanes;
                if (kind == LANES) {
                    assembly ("memory-safe") {
                        lanes := shl(128, shr(128, calldataload(extrasAt)))
                    }
                } else if (kind == STATEMENT) {
                    lanes = _listHash(row, reader);
                    if (row.fault == Reasons.UNKNOWN_PAYEE) return next;
                }
                row.digest = _voucherDigest(at, payee, lanes, reader.separator);
            }

            address signer;
            if (kindByte & P256 == 0) {
                uint256 r;
                uint256 vs;
                assembly ("memory-safe") {
                    r := calldataload(add(at, 55))
                    vs := calldataload(add(at, 87))
                }
                signer = Signatures.recover(row.digest, r, vs);
            } else {
                signer = Signatures.verifyP256(row.digest, at + 55, keyAt);
            }
            row.signer = signer;
            if (signer == address(0)) {
                row.fault = Reasons.BAD_SIGNATURE;
                return next;
            }
            // Only now: what a stranger made up in an unsigned row is BAD_SIGNATURE or UNKNOWN_SIGNER, nothing else.
            if (kind == STREAM && row.fault == Reasons.APPLIED) _readTicks(row, extrasAt);
            if (kindByte & OPENED != 0 && row.fault == Reasons.APPLIED) _readOpening(row, keyAt + (kindByte & P256) / 2, at);
        }
    }

    /// Reads the number of a statement's entries and returns the offset behind them.
    function _readListSize(Row memory row, uint256 extrasAt) private pure returns (uint256 next) {
        uint256 count;
        assembly ("memory-safe") {
            count := shr(248, calldataload(extrasAt))
        }
        if (count > LIST_MAX) revert ListTooLong(count, extrasAt);
        unchecked {
            row.listAt = extrasAt + 1;
            row.listCount = count;
            next = extrasAt + 1 + count * ENTRY_BYTES;
        }
    }

    /// Adds up the optional parts, which stand in the order key, opening, credit.
    function _readParts(Row memory row, uint256 kindByte, uint256 kind, uint256 at, uint256 keyAt)
        private
        pure
        returns (uint256 next)
    {
        if (kindByte & 0x10 != 0) revert UnknownRow(kindByte, at);
        unchecked {
            next = keyAt;
            if (kindByte & P256 != 0) next += KEY_BYTES;
            if (kindByte & OPENED != 0) next += OPENING_BYTES;
            if (kindByte & CREDIT != 0) {
                // A credit is bounded by the amount its opened request names, and concerns one lane only.
                if (kindByte & OPENED == 0 || kind == STATEMENT) revert UnknownRow(kindByte, at);
                row.creditAt = next;
                next += CREDIT_BYTES;
            }
        }
    }

    /// keccak256 over (payee 20 bytes, paid 6 bytes) of each entry, cut to 16 bytes; zero for an empty list.
    function _listHash(Row memory row, Reader memory reader) private pure returns (bytes32 lanes) {
        uint256 count = row.listCount;
        if (count == 0) return 0;
        uint256 at = row.listAt;
        uint256 free;
        assembly ("memory-safe") {
            free := mload(0x40)
        }
        uint256 sum = row.paid;
        unchecked {
            uint256 to = free;
            // At most LIST_MAX entries.
            for (uint256 i = 0; i < count; ++i) {
                uint256 entry;
                assembly ("memory-safe") {
                    entry := calldataload(at)
                }
                uint256 paid = (entry >> 192) & MASK48;
                uint256 account = payeeWord(reader, entry >> 240) & MASK160;
                if (account == 0) {
                    row.fault = Reasons.UNKNOWN_PAYEE;
                    return 0;
                }
                sum += paid;
                uint256 packed = (account << 96) | (paid << 48);
                assembly ("memory-safe") {
                    mstore(to, packed)
                }
                to += 26;
                at += ENTRY_BYTES;
            }
            if (sum > row.spent) row.fault = Reasons.LIST_ABOVE_SPENT;
            assembly ("memory-safe") {
                lanes := shl(128, shr(128, keccak256(free, sub(to, free))))
            }
        }
    }

    /// EIP-712 digest of a voucher whose common part stands at `at`.
    function _voucherDigest(uint256 at, uint256 payee, bytes32 lanes, bytes32 separator)
        private
        pure
        returns (bytes32 digest)
    {
        bytes32 typehash = VOUCHER_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typehash)
            mstore(add(free, 0x20), shr(224, calldataload(add(at, 1))))
            mstore(add(free, 0x40), shr(224, calldataload(add(at, 5))))
            mstore(add(free, 0x60), shr(208, calldataload(add(at, 9))))
            mstore(add(free, 0x80), payee)
            mstore(add(free, 0xa0), shr(208, calldataload(add(at, 17))))
            // bytes16 is left-aligned in its word; the list's hash was cut to its first 16 bytes.
            mstore(add(free, 0xc0), lanes)
            mstore(add(free, 0xe0), calldataload(add(at, 23)))
            let structHash := keccak256(free, 0x100)
            mstore(free, shl(240, 0x1901))
            mstore(add(free, 0x02), separator)
            mstore(add(free, 0x22), structHash)
            digest := keccak256(free, 0x42)
        }
    }

    /// EIP-712 digest of a stream whose common part stands at `at`.
    function _streamDigest(uint256 at, uint256 payee, bytes32 separator) private pure returns (bytes32 digest) {
        bytes32 typehash = STREAM_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typehash)
            mstore(add(free, 0x20), shr(224, calldataload(add(at, 1))))
            mstore(add(free, 0x40), shr(224, calldataload(add(at, 5))))
            mstore(add(free, 0x60), shr(208, calldataload(add(at, 9))))
            mstore(add(free, 0x80), payee)
            mstore(add(free, 0xa0), shr(208, calldataload(add(at, 17))))
            mstore(add(free, 0xc0), calldataload(add(at, 23)))
            // anchor 32, tick value 6, ticks 2 stand at the head of the extras
            mstore(add(free, 0xe0), calldataload(add(at, 119)))
            mstore(add(free, 0x100), shr(208, calldataload(add(at, 151))))
            mstore(add(free, 0x120), shr(240, calldataload(add(at, 157))))
            let structHash := keccak256(free, 0x140)
            mstore(free, shl(240, 0x1901))
            mstore(add(free, 0x02), separator)
            mstore(add(free, 0x22), structHash)
            digest := keccak256(free, 0x42)
        }
    }

    /// Checks the preimage and raises `paid` and `spent` by the revealed ticks.
    function _readTicks(Row memory row, uint256 extrasAt) private pure {
        uint256 tickValue;
        uint256 ticks;
        uint256 k;
        bytes32 hash;
        bytes32 anchor;
        assembly ("memory-safe") {
            anchor := calldataload(extrasAt)
            let word := calldataload(add(extrasAt, 32))
            tickValue := shr(208, word)
            ticks := and(shr(192, word), 0xffff)
            k := and(shr(176, word), 0xffff)
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
        if (hash != anchor) {
            row.fault = Reasons.BAD_PREIMAGE;
            return;
        }
        unchecked {
            // 16 bits times 48 bits can't leave 256.
            uint256 moved = k * tickValue;
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

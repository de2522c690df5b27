// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Digests} from "./Digests.sol";
import {Lanes} from "./Lanes.sol";
import {Payees} from "./Payees.sol";
import {Reasons} from "./Reasons.sol";
import {Rows} from "./Rows.sol";
import {Signatures} from "./Signatures.sol";

/// @notice Settles batches: the one place where a voucher becomes money.
abstract contract Settlement is Payees {
    /// @notice `outcomes` holds 16 bytes for each lane that the batch touched, in the batch's order: channel 4 bytes,
    /// payee id 4 bytes, kind byte of the row, reason, units moved 6 bytes. A row with the credit part (0x40) moved
    /// them from the payee's balance back to the channel, any other from the channel to the payee's balance.
    event BatchSettled(address indexed submitter, bytes outcomes);

    /// @dev Memory that reading a row may scribble over: a list of 32 lanes is 832 bytes. Nothing in the loop
    /// allocates, so the outcomes may grow behind it.
    uint256 private constant SCRATCH_BYTES = 0x480;
    uint256 private constant HEADER_BYTES = 3;
    /// Same as Signatures.HALF_ORDER, as a literal that assembly can read.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
    bytes32 private constant CREDIT_TYPEHASH = Digests.CREDIT_TYPEHASH;
    bytes32 private constant BATCH_TOPIC = keccak256("BatchSettled(address,bytes)");

    /// @notice Settles the rows of a batch. Anyone may submit one; each row pays exactly what its payer signed, to the
    /// payee named, at most what the channel has free. A row that can't be applied is skipped with a reason.
    /// @param batch format byte, payee count and ids, rows; see contracts/README.md
    function settle(bytes calldata batch) external nonReentrant whenNotFrozen {
        Rows.Reader memory reader = _readHeader(batch);
        Rows.Row memory row = Rows.make(domainSeparator);
        Rows.Row memory plain = Rows.make(domainSeparator);
        uint256 outcomes;
        assembly ("memory-safe") {
            // The first two words of the log's data stand before the outcomes.
            outcomes := add(mload(0x40), add(SCRATCH_BYTES, 0x40))
        }
        reader.to = outcomes;
        // Each round consumes at least one row's bytes of calldata.
        while (reader.at < reader.end) {
            _settlePlain(plain, reader);
            if (reader.left) {
                reader.left = false;
                _settleRow(plain, reader);
            } else if (reader.at < reader.end) {
                Rows.read(row, reader);
                if (row.creditAt == 0) _settleRow(row, reader);
                else _writeOutcome(row, reader, row.payee, _applyCredit(row, reader));
            }
        }
        _writeBalances(reader);
        uint256 to = reader.to;
        bytes32 topic = BATCH_TOPIC;
        assembly ("memory-safe") {
            let size := sub(to, outcomes)
            mstore(to, 0)
            mstore(sub(outcomes, 0x40), 0x20)
            mstore(sub(outcomes, 0x20), size)
            log2(sub(outcomes, 0x40), add(0x40, and(add(size, 31), not(31))), topic, caller())
        }
    }

    /// @notice Units that a lane has settled so far.
    /// @param channel number of the channel
    /// @param payee id of the payee
    function settled(uint32 channel, uint32 payee) external view returns (uint48) {
        return uint48(Lanes.settled(_baseOf(channel, _channel(channel).payer), payee));
    }

    /// @notice Units credited so far on the voucher with this digest.
    function creditOf(bytes32 voucher) external view returns (uint48) {
        return _creditOf[voucher];
    }

    /// @notice Units credited so far on a lane, over all its vouchers.
    function laneCredited(uint32 channel, uint32 payee) external view returns (uint48) {
        return uint48(_laneCredited[Lanes.key(_channel(channel).payer, channel)][payee]);
    }

    /// Reads format, payee ids and the payees' storage words.
    function _readHeader(bytes calldata batch)
        internal
        view
        returns (Rows.Reader memory reader)
    {
        unchecked {
            uint256 start;
            assembly ("memory-safe") {
                start := batch.offset
            }
            reader.end = start + batch.length;
            uint256 head;
            assembly ("memory-safe") {
                head := calldataload(start)
            }
            if (batch.length < HEADER_BYTES) revert Rows.TruncatedRow(start);
            if (head >> 248 != Rows.FORMAT) revert Rows.UnknownFormat(head >> 248);
            uint256 count = (head >> 232) & 0xffff;
            uint256 at = start + HEADER_BYTES + 4 * count;
            reader.at = at;
            if (at > reader.end) revert Rows.TruncatedRow(start);

            uint256[] memory ids = new uint256[](count);
            uint256[] memory words = new uint256[](count);
            uint256 previous;
            // At most 65,535 payees, each paid for by its four bytes of calldata.
            for (uint256 i = 0; i < count; ++i) {
                uint256 id;
                assembly ("memory-safe") {
                    id := shr(224, calldataload(add(add(start, HEADER_BYTES), shl(2, i))))
                }
                if (id <= previous) revert Rows.PayeesNotRising(i);
                previous = id;
                ids[i] = id;
                uint256 word = _payees[id];
                if (word == 0) revert UnknownPayee(uint32(id));
                words[i] = word;
            }
            reader.payeeCount = count;
            uint256 wordsAt;
            assembly ("memory-safe") {
                wordsAt := add(words, 0x20)
            }
            reader.payees = wordsAt;
            reader.ids = ids;
        }
    }

    /// Writes the payees' balances back. Ids rise strictly, so each is written once.
    function _writeBalances(Rows.Reader memory reader) private {
        unchecked {
            uint256[] memory ids = reader.ids;
            // As many rounds as the header has payees.
            for (uint256 i = 0; i < ids.length; ++i) {
                _payees[ids[i]] = Rows.payeeWord(reader, i);
            }
        }
    }

    /// Settles plain rows one after the other, as long as their lanes stand in page 0 and their money is there: nearly
    /// every row of a batch. It stops behind a row that needs the general path, which knows all cases, or before one
    /// that isn't plain or is badly framed.
    /// @dev A row of kind LANES whose lanes are zero is the same message on the general path; a test holds the two
    /// together. Words of `row` used here: 1 channel, 2 seq, 3 spent, 4 account, 5 paid, 7 request, 11 payee index,
    /// 12 fault, 17 signer, from 19 on the digest's prefix and the recovery's input. Words 0, 6, 10 and the prefix are
    /// the same for all plain rows and stand there already.
    function _settlePlain(Rows.Row memory row, Rows.Reader memory reader) private {
        assembly ("memory-safe") {
            let at := mload(add(reader, 0x80))
            let to := mload(add(reader, 0xa0))
            let end := mload(add(reader, 0x40))
            // Second word of the purse's hash; nothing in the loop writes there.
            mstore(0x20, _purses.slot)
            // Each round consumes a row's bytes of calldata.
            for {} lt(at, end) {} {
                let head := calldataload(at)
                // Offset of the payee's word in its table: index times 32.
                let index := and(shr(115, head), 0x1fffe0)
                if or(
                    iszero(eq(shr(248, head), 1)),
                    or(gt(add(at, 119), end), iszero(lt(index, shl(5, mload(add(reader, 0x20))))))
                ) { break }

                let channel := and(shr(216, head), 0xffffffff)
                let top := and(shr(72, head), 0xffffffffffff)
                mstore(add(row, 0x20), channel)
                mstore(add(row, 0x40), and(shr(184, head), 0xffffffff))
                mstore(add(row, 0x60), and(shr(136, head), 0xffffffffffff))
                // Cut to 20 bytes: the balance stands above the account in the same word.
                mstore(add(row, 0x80), shr(96, shl(96, mload(add(mload(reader), index)))))
                mstore(add(row, 0xa0), top)
                mstore(add(row, 0xe0), calldataload(add(at, 23)))
                mstore(add(row, 0x282), keccak256(row, 0x100))
                mstore(add(row, 0x2c0), keccak256(add(row, 0x260), 0x42))
                {
                    let vs := calldataload(add(at, 87))
                    let s := shr(1, shl(1, vs))
                    mstore(add(row, 0x2e0), add(shr(255, vs), 27))
                    mstore(add(row, 0x300), calldataload(add(at, 55)))
                    mstore(add(row, 0x320), s)
                    // The precompile writes nothing when it fails: the result word must hold zero before.
                    mstore(0, 0)
                    if iszero(gt(s, HALF_ORDER)) { pop(staticcall(gas(), 1, add(row, 0x2c0), 0x80, 0, 0x20)) }
                }
                at := add(at, 119)
                mstore(0, or(shl(160, channel), mload(0)))
                let base := keccak256(0, 0x40)
                let page0 := sload(base)
                let payee := mload(add(add(mload(add(reader, 0x60)), 0x20), index))
                // The lane's place in page 0: where its id stands, or the first empty one.
                let shift := 0
                {
                    let id := and(page0, 0xffffffff)
                    if iszero(or(eq(id, payee), iszero(id))) {
                        shift := 80
                        id := and(shr(80, page0), 0xffffffff)
                        if iszero(or(eq(id, payee), iszero(id))) { shift := 256 }
                    }
                }
                // Settled before; then what moves.
                let moved := and(shr(add(shift, 32), page0), 0xffffffffffff)
                // Nothing is left to do here when the purse is not open (a zero signer has none), the lane is on
                // another page, nothing is new, or too little is free. A `top` at or below what was settled makes a
                // difference of zero or a huge one, which no free amount covers.
                if or(
                    or(iszero(shr(208, page0)), eq(shift, 256)),
                    or(eq(top, moved), gt(sub(top, moved), and(shr(160, page0), 0xffffffffffff)))
                ) {
                    mstore(add(row, 0x160), shr(5, index))
                    let signer := shr(96, shl(96, mload(0)))
                    mstore(add(row, 0x180), shl(1, iszero(signer))) // BAD_SIGNATURE is 2
                    mstore(add(row, 0x220), signer)
                    mstore(add(reader, 0xc0), 1)
                    break
                }
                moved := sub(top, moved)
                sstore(
                    base,
                    sub(add(or(page0, shl(shift, payee)), shl(add(shift, 32), moved)), shl(160, moved))
                )
                {
                    let account := add(mload(reader), index)
                    mstore(account, add(mload(account), shl(160, moved)))
                }
                // Outcome: channel, payee id, kind PLAIN, reason APPLIED, moved.
                mstore(to, or(shl(224, channel), or(shl(192, payee), shl(128, or(shl(56, 1), moved)))))
                to := add(to, 16)
            }
            mstore(add(reader, 0x80), at)
            mstore(add(reader, 0xa0), to)
        }
    }

    /// Settles a row's own lane and, of a statement, the lanes it lists. Writes one outcome a lane.
    function _settleRow(Rows.Row memory row, Rows.Reader memory reader) private {
        unchecked {
            uint256 base;
            uint256 page0;
            uint256 reason = row.fault;
            if (reason == Reasons.APPLIED) {
                base = _base(Lanes.key(row.signer, row.channel));
                assembly ("memory-safe") {
                    page0 := sload(base)
                }
                if (page0 & Lanes.OPEN_FLAG == 0) reason = Reasons.UNKNOWN_SIGNER;
            }
            bool usable = reason == Reasons.APPLIED;
            uint256 before = page0;
            uint256 payee = row.payee;
            uint256 top = row.paid;
            uint256 left = row.listCount;
            uint256 at = row.listAt;
            // At most 1 + LIST_MAX lanes.
            while (true) {
                uint256 moved = 0;
                // A row that can't be used has the same reason for each of its lanes.
                if (usable) {
                    (page0, moved, reason) = Lanes.raise(base, page0, reader.ids[payee], top);
                    _addToPayee(reader, payee, moved);
                }
                _writeOutcome(row, reader, payee, (reason << 48) | moved);
                if (left == 0) break;
                --left;
                uint256 entry;
                assembly ("memory-safe") {
                    entry := calldataload(at)
                }
                payee = entry >> 240;
                top = (entry >> 192) & MASK48;
                at += 8;
            }
            if (page0 != before) {
                assembly ("memory-safe") {
                    sstore(base, page0)
                }
            }
        }
    }

    /// Moves a credit from the payee's balance back to the channel.
    /// @return (reason << 48) | units moved
    function _applyCredit(Rows.Row memory row, Rows.Reader memory reader) private returns (uint256) {
        unchecked {
            if (row.fault != Reasons.APPLIED) return row.fault << 48;
            uint256 purse = Lanes.key(row.signer, row.channel);
            uint256 base = _base(purse);
            uint256 page0;
            assembly ("memory-safe") {
                page0 := sload(base)
            }
            if (page0 & Lanes.OPEN_FLAG == 0) return Reasons.UNKNOWN_SIGNER << 48;
            uint256 id = reader.ids[row.payee];
            (uint256 reason, uint256 moved) = _checkCredit(row, reader);
            if (reason != Reasons.APPLIED) return reason << 48;

            uint256 lane = _laneCredited[purse][id] + moved;
            {
                (, uint256 word, uint256 shift) = Lanes.find(base, page0, id);
                uint256 laneSettled = (word >> (shift + 32)) & MASK48;
                if (laneSettled < row.paid) return Reasons.NOT_SETTLED << 48;
                if (lane > laneSettled) return Reasons.CREDIT_ABOVE_LANE << 48;
            }
            if (((Rows.payeeWord(reader, row.payee) >> BALANCE_SHIFT) & MASK48) < moved) {
                return Reasons.PAYEE_SHORT << 48;
            }
            uint256 total = _channels[uint32(row.channel)].credited + moved;
            if (total > MASK48) return Reasons.OVERFLOW << 48;

            _creditOf[row.digest] += uint48(moved);
            _laneCredited[purse][id] = lane;
            _channels[uint32(row.channel)].credited = uint48(total);
            // The payee's balance was at least `moved`, and all money of the vault fits 48 bits: no borrow, no carry.
            _takeFromPayee(reader, row.payee, moved);
            page0 += moved << Lanes.FREE_SHIFT;
            assembly ("memory-safe") {
                sstore(base, page0)
            }
            return moved;
        }
    }

    /// Is the credit signed by its payee, within its voucher, and new? Answers how much more it gives back.
    function _checkCredit(Rows.Row memory row, Rows.Reader memory reader)
        private
        view
        returns (uint256 reason, uint256 moved)
    {
        unchecked {
            uint256 at = row.creditAt;
            uint256 credited;
            assembly ("memory-safe") {
                credited := shr(208, calldataload(at))
            }
            address account = address(uint160(Rows.payeeWord(reader, row.payee)));
            if (!_signedByPayee(row.digest, credited, at + 6, account)) return (Reasons.BAD_PAYEE_SIGNATURE, 0);
            if (credited > row.amount) return (Reasons.CREDIT_ABOVE_AMOUNT, 0);
            uint256 before = _creditOf[row.digest];
            if (credited <= before) return (Reasons.CREDIT_STALE, 0);
            moved = credited - before;
        }
    }

    /// Did the payee sign Credit(voucher, credited)? A payee that submits the batch itself needs no signature, which
    /// lets contract accounts give credits too.
    function _signedByPayee(bytes32 voucher, uint256 credited, uint256 at, address account)
        private
        view
        returns (bool)
    {
        if (msg.sender == account) return true;
        bytes32 digest;
        bytes32 typehash = CREDIT_TYPEHASH;
        bytes32 separator = domainSeparator;
        uint256 r;
        uint256 vs;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typehash)
            mstore(add(free, 0x20), voucher)
            mstore(add(free, 0x40), credited)
            let structHash := keccak256(free, 0x60)
            mstore(free, shl(240, 0x1901))
            mstore(add(free, 0x02), separator)
            mstore(add(free, 0x22), structHash)
            digest := keccak256(free, 0x42)
            r := calldataload(at)
            vs := calldataload(add(at, 0x20))
        }
        return Signatures.recover(digest, r, vs) == account;
    }

    /// Raises the balance in the payee's word; the sum of all balances fits 48 bits.
    function _addToPayee(Rows.Reader memory reader, uint256 index, uint256 amount) internal pure {
        uint256 words = reader.payees;
        assembly ("memory-safe") {
            let at := add(words, shl(5, index))
            mstore(at, add(mload(at), shl(BALANCE_SHIFT, amount)))
        }
    }

    /// Lowers the balance in the payee's word; the caller checked that it holds as much.
    function _takeFromPayee(Rows.Reader memory reader, uint256 index, uint256 amount) private pure {
        uint256 words = reader.payees;
        assembly ("memory-safe") {
            let at := add(words, shl(5, index))
            mstore(at, sub(mload(at), shl(BALANCE_SHIFT, amount)))
        }
    }

    /// Writes one 16-byte outcome.
    function _writeOutcome(
        Rows.Row memory row,
        Rows.Reader memory reader,
        uint256 payee,
        uint256 reasonAndMoved
    ) private pure {
        assembly ("memory-safe") {
            let to := mload(add(reader, 0xa0))
            let id := mload(add(add(mload(add(reader, 0x60)), 0x20), shl(5, payee)))
            // channel is word 1 of the row, kind word 10
            let high := or(shl(96, mload(add(row, 0x20))), or(shl(64, id), shl(56, mload(add(row, 0x140)))))
            mstore(to, shl(128, or(high, reasonAndMoved)))
            mstore(add(reader, 0xa0), add(to, 16))
        }
    }
}

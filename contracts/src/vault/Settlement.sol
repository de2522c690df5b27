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
    bytes32 private constant CREDIT_TYPEHASH = Digests.CREDIT_TYPEHASH;
    bytes32 private constant BATCH_TOPIC = keccak256("BatchSettled(address,bytes)");

    /// @notice Settles the rows of a batch. Anyone may submit one; each row pays exactly what its payer signed, to the
    /// payee named, at most what the channel has free. A row that can't be applied is skipped with a reason.
    /// @param batch format byte, payee count and ids, rows; see contracts/README.md
    function settle(bytes calldata batch) external nonReentrant whenNotFrozen {
        unchecked {
            (Rows.Reader memory reader, uint256 at, uint256[] memory ids) = _readHeader(batch);
            Rows.Row memory row;
            uint256 outcomes;
            uint256 scratch;
            assembly ("memory-safe") {
                scratch := mload(0x40)
                // The first two words of the log's data stand before the outcomes.
                outcomes := add(scratch, add(SCRATCH_BYTES, 0x40))
            }
            uint256 to = outcomes;
            uint256 end = reader.end;
            // Each round consumes at least one row's bytes of calldata.
            while (at < end) {
                at = Rows.read(row, reader, at);
                if (row.creditAt != 0) to = _writeOutcome(to, row, ids, row.payee, _credit(row, reader, ids));
                else to = _settleRow(to, row, reader, ids);
            }
            _writeBalances(reader, ids);
            bytes32 topic = BATCH_TOPIC;
            assembly ("memory-safe") {
                let size := sub(to, outcomes)
                mstore(to, 0)
                mstore(sub(outcomes, 0x40), 0x20)
                mstore(sub(outcomes, 0x20), size)
                log2(sub(outcomes, 0x40), add(0x40, and(add(size, 31), not(31))), topic, caller())
            }
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
        returns (Rows.Reader memory reader, uint256 at, uint256[] memory ids)
    {
        unchecked {
            uint256 start;
            assembly ("memory-safe") {
                start := batch.offset
            }
            reader.end = start + batch.length;
            reader.separator = domainSeparator;
            uint256 head;
            assembly ("memory-safe") {
                head := calldataload(start)
            }
            if (batch.length < HEADER_BYTES) revert Rows.TruncatedRow(start);
            if (head >> 248 != Rows.FORMAT) revert Rows.UnknownFormat(head >> 248);
            uint256 count = (head >> 232) & 0xffff;
            at = start + HEADER_BYTES + 4 * count;
            if (at > reader.end) revert Rows.TruncatedRow(start);

            ids = new uint256[](count);
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
                words[i] = _payees[id];
            }
            reader.payeeCount = count;
            uint256 wordsAt;
            assembly ("memory-safe") {
                wordsAt := add(words, 0x20)
            }
            reader.payees = wordsAt;
        }
    }

    /// Writes the payees' balances back. Ids rise strictly, so each is written once.
    function _writeBalances(Rows.Reader memory reader, uint256[] memory ids) internal {
        unchecked {
            // As many rounds as the header has payees.
            for (uint256 i = 0; i < ids.length; ++i) {
                _payees[ids[i]] = Rows.payeeWord(reader, i);
            }
        }
    }

    /// Settles a row's own lane and, of a statement, the lanes it lists. Writes one outcome a lane.
    function _settleRow(uint256 to, Rows.Row memory row, Rows.Reader memory reader, uint256[] memory ids)
        internal
        returns (uint256)
    {
        unchecked {
            uint256 base;
            uint256 page0;
            uint256 fault = row.fault;
            if (fault == Reasons.APPLIED) {
                base = _base(Lanes.key(row.signer, row.channel));
                assembly ("memory-safe") {
                    page0 := sload(base)
                }
                if (page0 & Lanes.OPEN_FLAG == 0) fault = Reasons.UNKNOWN_SIGNER;
            }
            uint256 payee = row.payee;
            uint256 top = row.paid;
            uint256 before = page0;
            uint256 left = row.listCount;
            uint256 at = row.listAt;
            // At most 1 + LIST_MAX lanes.
            while (true) {
                uint256 reason = fault;
                uint256 moved = 0;
                if (fault == Reasons.APPLIED) {
                    (page0, moved, reason) = Lanes.raise(base, page0, ids[payee], top);
                    if (moved != 0) _addToPayee(reader, payee, moved);
                }
                to = _writeOutcome(to, row, ids, payee, (reason << 48) | moved);
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
            return to;
        }
    }

    /// Moves a credit from the payee's balance back to the channel.
    /// @return (reason << 48) | units moved
    function _credit(Rows.Row memory row, Rows.Reader memory reader, uint256[] memory ids)
        internal
        returns (uint256)
    {
        unchecked {
            if (row.fault != Reasons.APPLIED) return row.fault << 48;
            uint256 purse = Lanes.key(row.signer, row.channel);
            uint256 base = _base(purse);
            uint256 page0;
            assembly ("memory-safe") {
                page0 := sload(base)
            }
            if (page0 & Lanes.OPEN_FLAG == 0) return Reasons.UNKNOWN_SIGNER << 48;
            uint256 id = ids[row.payee];
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

    /// Writes one 16-byte outcome and returns where the next belongs.
    function _writeOutcome(
        uint256 to,
        Rows.Row memory row,
        uint256[] memory ids,
        uint256 payee,
        uint256 reasonAndMoved
    ) internal pure returns (uint256) {
        unchecked {
            uint256 id = payee < ids.length ? ids[payee] : 0;
            uint256 outcome = (row.channel << 96) | (id << 64) | (row.kind << 56) | reasonAndMoved;
            assembly ("memory-safe") {
                mstore(to, shl(128, outcome))
            }
            return to + 16;
        }
    }
}

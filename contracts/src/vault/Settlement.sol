// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Digests} from "./Digests.sol";
import {Lanes} from "./Lanes.sol";
import {Payees} from "./Payees.sol";
import {IRegistry} from "./IRegistry.sol";
import {Reasons} from "./Reasons.sol";
import {Rows} from "./Rows.sol";
import {Signatures} from "./Signatures.sol";

/// @notice Settles batches: the one place where a voucher becomes money.
abstract contract Settlement is Payees {
    /// @notice `outcomes` holds 16 bytes for each lane that the batch touched, in the batch's order: channel 4 bytes,
    /// payee id 4 bytes, kind byte of the row, reason, units moved 6 bytes. A row with the credit part (0x40) moved
    /// them from the payee's balance back to the channel, any other from the channel to the payee's balance.
    event BatchSettled(address indexed submitter, bytes outcomes);

    /// @dev Memory that reading a row may scribble over: a list of 32 lanes is 832 bytes. Nothing in the loop keeps what
    /// it allocates, so the outcomes may grow behind it.
    uint256 private constant SCRATCH_BYTES = 0x480;
    /// Same as Signatures.HALF_ORDER, as a literal that assembly can read.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
    /// Where the compiler puts the first two structs of _settle.
    uint256 private constant PLAIN_AT = 0x80;
    uint256 private constant READER_AT = 0x400;
    bytes32 private constant BATCH_TOPIC = keccak256("BatchSettled(address,bytes)");
    uint256 private constant FEE_PARTS = 10_000;

    /// @notice `fee` units of what a batch brought a payee went to the account that submitted it, at the rate that the payee
    /// agreed to.
    event FeePaid(uint32 indexed payee, uint32 indexed submitter, uint48 fee);

    /// @notice The payee `account` lets `credited` units of the voucher go back, in words of its own: an account that
    /// can't sign, or needn't.
    event CreditConsented(address indexed account, bytes32 indexed voucher, uint48 credited);

    /// @dev What payees consented to give back, by account and voucher.
    mapping(address account => mapping(bytes32 voucher => uint48 credited)) private _consents;

    /// @notice Consents to a credit of the caller's: a row of that voucher with a signature of zeros counts up to
    /// `credited`. Nothing moves yet.
    /// @param voucher the voucher's digest
    function consentToCredit(bytes32 voucher, uint48 credited) external {
        _consents[msg.sender][voucher] = credited;
        emit CreditConsented(msg.sender, voucher, credited);
    }

    /// @notice Settles the rows of a batch. Anyone may submit one; each row pays exactly what its payer signed, to the
    /// payee named, at most what the channel has free. A row that can't be applied is skipped with a reason.
    /// @dev A registered settler's rows settle at once, and a row with the hub's acknowledgement does for everybody. Other
    /// rows go through `announce`; credits are always immediate.
    /// @param batch format byte, payee count and ids, rows; see contracts/README.md
    function settle(bytes calldata batch) external nonReentrant whenNotFrozen {
        _settle(batch, false);
    }

    /// Settles a batch. `due`: every row settles at once, whoever submits it.
    function _settle(bytes calldata batch, bool due) internal {
        // These two stand at fixed addresses: _settlePlain counts on it.
        Rows.Row memory plain = Rows.make(0);
        Rows.Reader memory reader;
        {
            uint256 plainAt;
            uint256 readerAt;
            assembly ("memory-safe") {
                plainAt := plain
                readerAt := reader
            }
            assert(plainAt == PLAIN_AT && readerAt == READER_AT);
        }
        reader.fast = due || _isSettler(msg.sender);
        _readHeader(batch, reader);
        bytes32 separator = domainSeparator();
        Rows.setDomain(plain, separator);
        Rows.Row memory row = Rows.make(separator);
        uint256 outcomes;
        assembly ("memory-safe") {
            // The first two words of the log's data stand before the outcomes.
            outcomes := add(mload(0x40), add(SCRATCH_BYTES, 0x40))
        }
        reader.to = outcomes;
        // Each round consumes at least one row's bytes of calldata.
        while (reader.at < reader.end) {
            if (reader.fast) _settlePlain();
            if (reader.left) {
                reader.left = false;
                _settleRow(plain, reader);
            } else if (reader.at < reader.end) {
                Rows.read(row, reader);
                if (row.creditAt == 0) _settleRow(row, reader);
                else _writeOutcome(row, reader, row.payee, _applyCredit(row, reader));
            }
        }
        uint256 to = reader.to;
        bytes32 topic = BATCH_TOPIC;
        assembly ("memory-safe") {
            let size := sub(to, outcomes)
            mstore(to, 0)
            mstore(sub(outcomes, 0x40), 0x20)
            mstore(sub(outcomes, 0x20), size)
            log2(sub(outcomes, 0x40), add(0x40, and(add(size, 31), not(31))), topic, caller())
        }
        _writeBalances(reader);
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

    function _isSettler(address account) private view returns (bool) {
        uint256 from = IRegistry(registry).settlerFrom(account);
        return from != 0 && clock() >= from;
    }

    /// Reads format, payee ids and the payees' storage words.
    function _readHeader(bytes calldata batch, Rows.Reader memory reader) private view {
        uint256[] memory ids = Rows.readIds(reader, batch);
        uint256[] memory words = new uint256[](ids.length);
        unchecked {
            // At most 65,535 payees, each paid for by its four bytes of calldata.
            for (uint256 i = 0; i < ids.length; ++i) {
                uint256 word = _payees[ids[i]];
                if (word == 0) revert UnknownPayee(uint32(ids[i]));
                words[i] = word;
            }
        }
        Rows.setPayees(reader, words);
    }

    /// Writes the payees' balances back. Ids rise strictly, so each is written once.
    function _writeBalances(Rows.Reader memory reader) private {
        unchecked {
            uint256[] memory ids = reader.ids;
            uint256 fees;
            // As many rounds as the header has payees.
            for (uint256 i = 0; i < ids.length; ++i) {
                uint256 word = Rows.payeeWord(reader, i);
                if (word >> FEE_SHIFT != 0) {
                    uint256 fee = _feeOf(ids[i], word);
                    word -= fee << BALANCE_SHIFT;
                    fees += fee;
                }
                _payees[ids[i]] = word;
            }
            // Last, as the submitter may be one of them. What was a balance stays one: no carry.
            if (fees != 0) _pay(_payeeOf[msg.sender], fees);
        }
    }

    /// What a payee that agreed to it pays for a batch: a part of what the batch brought it. A submitter without an id
    /// wants nothing.
    function _feeOf(uint256 id, uint256 word) private returns (uint256 fee) {
        unchecked {
            uint32 submitter = _payeeOf[msg.sender];
            uint256 before = (_payees[id] >> BALANCE_SHIFT) & MASK48;
            uint256 balance = (word >> BALANCE_SHIFT) & MASK48;
            if (submitter == 0 || submitter == id || balance <= before) return 0;
            fee = (balance - before) * ((word >> FEE_SHIFT) & FEE_MASK) / FEE_PARTS;
            emit FeePaid(uint32(id), submitter, uint48(fee));
        }
    }

    /// Settles plain rows one after the other, as long as their lanes stand in page 0 and their money is there: nearly
    /// every row of a batch. It stops behind a row that needs the general path, which knows all cases, or before one
    /// that isn't plain or is badly framed.
    /// @dev A row of kind LANES whose lanes are zero is the same message on the general path; a test holds the two
    /// together. The row stands at PLAIN_AT (0x80) and the reader at READER_AT (0x400), so every address is a literal.
    /// Row: a0 channel, c0 seq, e0 spent, 100 account, 120 paid, 160 request, 1e0 payee index, 200 fault, 2a0 signer,
    /// 2e0 the digest's prefix, 302 struct hash, 340 to 3a0 what the recovery reads. The words at 80, 140 and 1c0 are the
    /// same for all plain rows and stand there already. Reader: 400 payees' words, 440 end, 480 at, 4a0 to, 4c0 left,
    /// 500 ids, 520 size of the payees' words.
    function _settlePlain() private {
        assembly ("memory-safe") {
            let at := mload(0x480)
            let to := mload(0x4a0)
            // The last place where a whole row still fits.
            let last := mload(0x440)
            last := mul(gt(last, 118), sub(last, 119))
            // Second word of the purse's hash; nothing in the loop writes there.
            mstore(0x20, _purses.slot)
            // Each round consumes a row's bytes of calldata.
            for {} 1 {} {
                let head := calldataload(at)
                // Offset of the payee's word in its table: index times 32.
                let index := and(shr(115, head), 0x1fffe0)
                if or(or(xor(shr(248, head), 1), gt(at, last)), iszero(lt(index, mload(0x520)))) { break }

                let channel := and(shr(216, head), 0xffffffff)
                let top := and(shr(72, head), 0xffffffffffff)
                let wordAt := add(mload(0x400), index)
                mstore(0xa0, channel)
                mstore(0xc0, and(shr(184, head), 0xffffffff))
                mstore(0xe0, and(shr(136, head), 0xffffffffffff))
                // Cut to 20 bytes: the balance stands above the account in the same word.
                mstore(0x100, and(mload(wordAt), 0xffffffffffffffffffffffffffffffffffffffff))
                mstore(0x120, top)
                mstore(0x160, calldataload(add(at, 23)))
                mstore(0x302, keccak256(0x80, 0x100))
                mstore(0x340, keccak256(0x2e0, 0x42))
                {
                    let vs := calldataload(add(at, 87))
                    let s := and(vs, 0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff)
                    mstore(0x360, add(shr(255, vs), 27))
                    mstore(0x380, calldataload(add(at, 55)))
                    mstore(0x3a0, s)
                    // The precompile writes nothing when it fails: the result word must hold zero before.
                    mstore(0, 0)
                    if iszero(gt(s, HALF_ORDER)) { pop(staticcall(gas(), 1, 0x340, 0x80, 0, 0x20)) }
                }
                at := add(at, 119)
                mstore(0, or(shl(160, channel), mload(0)))
                let base := keccak256(0, 0x40)
                let page0 := sload(base)
                let payee := mload(add(mload(0x500), index))
                // The lane's place in page 0: where its id stands, or the first empty one.
                let shift := 0
                {
                    let id := and(page0, 0xffffffff)
                    if xor(id, payee) {
                        if id {
                            shift := 80
                            id := and(shr(80, page0), 0xffffffff)
                            if xor(id, payee) { if id { shift := 256 } }
                        }
                    }
                }
                // What moves: the top less what was settled before.
                let moved := sub(top, and(shr(add(shift, 32), page0), 0xffffffffffff))
                // Nothing is left to do here when the lane is on another page, nothing is new, or too little is free. A
                // purse that is not open is all zero, so nothing is free; a zero signer has none. A `top` at or below
                // what was settled makes a difference of zero or a huge one, which no free amount covers.
                if or(shr(8, shift), iszero(lt(sub(moved, 1), and(shr(160, page0), 0xffffffffffff)))) {
                    mstore(0x1e0, shr(5, index))
                    let signer := and(mload(0), 0xffffffffffffffffffffffffffffffffffffffff)
                    mstore(0x200, shl(1, iszero(signer))) // BAD_SIGNATURE is 2
                    mstore(0x2a0, signer)
                    mstore(0x4c0, 1)
                    break
                }
                sstore(
                    base,
                    sub(add(or(page0, shl(shift, payee)), shl(add(shift, 32), moved)), shl(160, moved))
                )
                mstore(wordAt, add(mload(wordAt), shl(160, moved)))
                // Outcome: channel, payee id, kind PLAIN, reason APPLIED, moved.
                mstore(to, or(or(shl(224, channel), shl(192, payee)), or(shl(184, 1), shl(128, moved))))
                to := add(to, 16)
            }
            mstore(0x480, at)
            mstore(0x4a0, to)
        }
    }

    /// Settles a row's own lane and, of a statement, the lanes it lists. Writes one outcome a lane.
    function _settleRow(Rows.Row memory row, Rows.Reader memory reader) private {
        unchecked {
            uint256 base;
            uint256 page0;
            // Why the lane at hand can't be used. `row.fault` is why those behind it can't: an acknowledgement speeds the
            // own lane only.
            uint256 fault = row.fault;
            if (fault == Reasons.APPLIED) {
                base = _base(Lanes.key(row.signer, row.channel));
                assembly ("memory-safe") {
                    page0 := sload(base)
                }
                if (page0 & Lanes.OPEN_FLAG == 0) {
                    fault = Reasons.UNKNOWN_SIGNER;
                    row.fault = fault;
                    base = 0;
                } else if (!reader.fast) {
                    fault = _acknowledged(row);
                    row.fault = Reasons.SLOW_LANE;
                }
            }
            uint256 payee = row.payee;
            uint256 top = row.paid;
            uint256 at = row.listAt;
            uint256 end = at + 8 * row.listCount;
            // At most 1 + LIST_MAX lanes.
            while (true) {
                uint256 id;
                assembly ("memory-safe") {
                    id := mload(add(mload(add(reader, 0x100)), shl(5, payee)))
                }
                uint256 moved = 0;
                uint256 reason = fault;
                if (fault == Reasons.APPLIED) (page0, moved, reason) = Lanes.raise(base, page0, id, top);
                assembly ("memory-safe") {
                    let wordAt := add(mload(reader), shl(5, payee))
                    mstore(wordAt, add(mload(wordAt), shl(BALANCE_SHIFT, moved)))
                    let to := mload(add(reader, 0xa0))
                    // channel is word 1 of the row, kind word 10
                    mstore(
                        to,
                        or(
                            or(shl(224, mload(add(row, 0x20))), shl(192, id)),
                            or(or(shl(184, mload(add(row, 0x140))), shl(176, reason)), shl(128, moved))
                        )
                    )
                    mstore(add(reader, 0xa0), add(to, 16))
                }
                if (at >= end) break;
                assembly ("memory-safe") {
                    let entry := calldataload(at)
                    payee := shr(240, entry)
                    top := and(shr(192, entry), 0xffffffffffff)
                    at := add(at, 8)
                }
                fault = row.fault;
            }
            if (base != 0) {
                assembly ("memory-safe") {
                    sstore(base, page0)
                }
            }
        }
    }

    /// APPLIED when the row carries the hub's acknowledgement of exactly its entry, by a key that counts.
    function _acknowledged(Rows.Row memory row) private view returns (uint256 reason) {
        uint256 partAt = row.acknowledgedAt;
        if (partAt == 0) return Reasons.SLOW_LANE;
        uint48 position;
        uint40 at;
        uint256 r;
        uint256 vs;
        assembly ("memory-safe") {
            let word := calldataload(partAt)
            position := shr(208, word)
            at := and(shr(168, word), 0xffffffffff)
            r := calldataload(add(partAt, 11))
            vs := calldataload(add(partAt, 43))
        }
        uint256 free = _freeMemory();
        address key = Signatures.recover(
            Digests.digest(domainSeparator(), Digests.acknowledgement(row.entry, position, at)), r, vs
        );
        (uint40 from, uint40 until, uint40 countsFrom,, bool good) = IRegistry(registry).hubKey(key);
        _giveBack(free);
        // An ended key's acknowledgements count as long as a payee may need to bring them.
        bool counts = good && countsFrom != 0 && clock() >= countsFrom && from <= at && at <= until
            && block.timestamp <= uint256(until) + payeeOfflineMax + slowLane;
        return counts ? Reasons.APPLIED : Reasons.BAD_ACKNOWLEDGEMENT;
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

    /// Did the payee sign Credit(voucher, credited), or consent to it in the vault? Submitting a batch is no consent: it
    /// may be a stranger's.
    function _signedByPayee(bytes32 voucher, uint256 credited, uint256 at, address account)
        private
        view
        returns (bool)
    {
        uint256 r;
        uint256 vs;
        assembly ("memory-safe") {
            r := calldataload(at)
            vs := calldataload(add(at, 0x20))
        }
        if (r | vs == 0) return _consents[account][voucher] >= credited && credited != 0;
        uint256 free = _freeMemory();
        bytes32 digest = Digests.digest(domainSeparator(), Digests.credit(voucher, uint48(credited)));
        _giveBack(free);
        return Signatures.recover(digest, r, vs) == account;
    }

    /// Where free memory begins. Behind SCRATCH_BYTES of it stand the outcomes, so a row gives back what it took.
    function _freeMemory() private pure returns (uint256 free) {
        assembly ("memory-safe") {
            free := mload(0x40)
        }
    }

    function _giveBack(uint256 free) private pure {
        assembly ("memory-safe") {
            mstore(0x40, free)
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

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Lanes} from "./Lanes.sol";
import {Reasons} from "./Reasons.sol";
import {Rows} from "./Rows.sol";
import {Settlement} from "./Settlement.sol";

/// @notice Proofs that a payer key signed what an honest payer never signs. They compare messages, so that anybody who
/// saw them can bring them, and an honest payer can't trip one.
/// @dev Evidence is a batch: the same header and rows as for settle. A later message whose request isn't opened is
/// taken as if it moved nothing, which only ever helps the payer.
abstract contract Fraud is Settlement {
    /// @notice The payer of `channel` broke `rule` (E1, E2 or E3). `bond` units stand in its pot until `closesAt`, vault clock.
    event FraudProved(uint32 indexed channel, uint8 rule, uint48 bond, uint40 closesAt, address reporter);

    /// @notice Not one of E1, E2, E3.
    error UnknownRule(uint8 rule);
    /// @notice A message of the evidence can't be used, for this reason (see Reasons).
    error BadEvidence(uint256 reason);
    /// @notice The messages aren't all of one channel and signed by its payer.
    error NotOfThisPayer(uint256 channel, address signer);
    /// @notice The messages can all come from an honest payer.
    error NotProved(uint8 rule);
    /// @notice There is no bond: already proved, or the owner has left.
    error NoBond(uint32 channel);
    /// @notice E1 and E2 compare two messages.
    error NotTwoMessages();

    /// @notice E1: one seq, two different messages.
    uint8 public constant EQUIVOCATION = 1;
    /// @notice E2: a later message starts below where an earlier one ended, on the channel or on their common lane.
    uint8 public constant REGRESSION = 2;
    /// @notice E3: lanes paid above the highest `spent` of the messages that show them.
    uint8 public constant OVERSPENT = 3;

    /// @notice Shows that the payer of a channel broke the rules. Its bond moves to a pot for harmed payees. The caller
    /// gets nothing: with a bounty, a cheater would report itself.
    /// @param rule EQUIVOCATION, REGRESSION or OVERSPENT
    /// @param evidence two rows for the first two, any number for the third; all signed by the channel's payer
    function proveFraud(uint8 rule, bytes calldata evidence) external nonReentrant {
        Rows.Reader memory reader = _readHeader(evidence);
        Rows.Row memory first = Rows.make(domainSeparator);
        Rows.read(first, reader);
        uint32 channel = uint32(first.channel);
        Channel storage found = _channel(channel);
        address payer = found.payer;
        _checkEvidence(first, channel, payer);
        uint48 bond = found.bond;
        if (bond == 0) revert NoBond(channel);

        bool proved;
        if (rule == OVERSPENT) {
            proved = _overspent(first, reader, payer);
        } else if (rule == EQUIVOCATION || rule == REGRESSION) {
            Rows.Row memory second = Rows.make(domainSeparator);
            if (reader.at >= reader.end) revert NotTwoMessages();
            Rows.read(second, reader);
            if (reader.at != reader.end) revert NotTwoMessages();
            _checkEvidence(second, channel, payer);
            proved = rule == EQUIVOCATION ? _equivocated(first, second) : _regressed(first, second);
        } else {
            revert UnknownRule(rule);
        }
        if (!proved) revert NotProved(rule);

        found.bond = 0;
        found.slashed = true;
        uint40 closesAt = _openPot(channel, bond);
        emit FraudProved(channel, rule, bond, closesAt, msg.sender);
    }

    function _openPot(uint32 channel, uint48 bond) internal virtual returns (uint40 closesAt);

    /// A list above its `spent` can't settle, but it is a good proof.
    function _checkEvidence(Rows.Row memory row, uint32 channel, address payer) internal pure {
        if (row.fault != Reasons.APPLIED && row.fault != Reasons.LIST_ABOVE_SPENT) revert BadEvidence(row.fault);
        if (row.channel != channel || row.signer != payer) revert NotOfThisPayer(row.channel, row.signer);
    }

    /// Messages are compared, not signatures: one message may be signed in many ways.
    function _equivocated(Rows.Row memory a, Rows.Row memory b) private pure returns (bool) {
        return a.seq == b.seq && a.digest != b.digest;
    }

    /// Does the later message start below the end of the earlier one?
    function _regressed(Rows.Row memory a, Rows.Row memory b) private pure returns (bool) {
        if (a.seq == b.seq) return false;
        (Rows.Row memory earlier, Rows.Row memory later) = a.seq < b.seq ? (a, b) : (b, a);
        if (_less(later.spent, later.amount) < earlier.spent) return true;
        return later.payee == earlier.payee && _less(later.paid, later.amount) < earlier.paid;
    }

    /// a - b, at least 0: a message that moves more than it ever spent starts at nothing.
    function _less(uint256 a, uint256 b) internal pure returns (uint256) {
        return a > b ? a - b : 0;
    }

    /// Do the lanes that the messages show add up to more than the highest `spent` among them? An honest payer's
    /// newest message has spent at least what all lanes were ever paid.
    function _overspent(Rows.Row memory row, Rows.Reader memory reader, address payer)
        private
        view
        returns (bool)
    {
        uint256[] memory tops = new uint256[](reader.payeeCount);
        uint256 channel = row.channel;
        uint256 spent;
        // Each round consumes a row's bytes of calldata, which the reporter pays for.
        while (true) {
            if (row.spent > spent) spent = row.spent;
            if (row.paid > tops[row.payee]) tops[row.payee] = row.paid;
            uint256 entryAt = row.listAt;
            // At most LIST_MAX entries.
            for (uint256 i = 0; i < row.listCount; ++i) {
                uint256 entry;
                assembly ("memory-safe") {
                    entry := calldataload(entryAt)
                }
                uint256 paid = (entry >> 192) & MASK48;
                if (paid > tops[entry >> 240]) tops[entry >> 240] = paid;
                entryAt += 8;
            }
            if (reader.at >= reader.end) break;
            Rows.read(row, reader);
            _checkEvidence(row, uint32(channel), payer);
        }
        uint256 sum;
        // As many as the header has payees.
        for (uint256 i = 0; i < tops.length; ++i) {
            sum += tops[i];
        }
        return sum > spent;
    }
}

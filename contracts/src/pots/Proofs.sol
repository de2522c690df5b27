// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Rows} from "../vault/Rows.sol";
import {VaultBase} from "../vault/VaultBase.sol";
import {PotsBase} from "./PotsBase.sol";

/// @notice Proofs that a payer key signed what an honest payer never signs. They compare messages, so that anybody who
/// saw them can bring them, and an honest payer can't trip one.
/// @dev Evidence is a batch: the same header and rows as for settle. A later message whose request isn't opened is
/// taken as if it moved nothing, which only ever helps the payer.
abstract contract Proofs is PotsBase {
    /// @notice The payer of `channel` broke `rule` (E1, E2 or E3). `bond` units stand in its pot until `closesAt`, vault clock.
    event FraudProved(uint32 indexed channel, uint8 rule, uint48 bond, uint40 closesAt, address reporter);

    /// @notice Not one of E1, E2, E3.
    error UnknownRule(uint8 rule);
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
        bytes32 separator = vault.domainSeparator();
        Rows.Row memory first = Rows.make(separator);
        Rows.read(first, reader);
        uint32 channel = uint32(first.channel);
        (address payer, uint48 bond) = vault.payerOf(channel);
        _checkEvidence(first, channel, payer);
        if (bond == 0) revert NoBond(channel);

        bool proved;
        if (rule == OVERSPENT) {
            proved = _overspent(first, reader, payer);
        } else if (rule == EQUIVOCATION || rule == REGRESSION) {
            Rows.Row memory second = Rows.make(separator);
            if (reader.at >= reader.end) revert NotTwoMessages();
            Rows.read(second, reader);
            if (reader.at != reader.end) revert NotTwoMessages();
            _checkEvidence(second, channel, payer);
            proved = rule == EQUIVOCATION ? _equivocated(first, second) : _regressed(first, second);
        } else {
            revert UnknownRule(rule);
        }
        if (!proved) revert NotProved(rule);

        bond = vault.slash(channel);
        uint40 closesAt = vault.clock() + claimWindow;
        VaultBase.Freeze memory freeze = vault.readFreeze();
        Pot storage pot = _pots[channel];
        pot.bond = bond;
        pot.left = bond;
        pot.openedAt = uint40(block.timestamp);
        pot.closesAt = closesAt;
        pot.frozenSince = freeze.since;
        pot.frozenUntil = uint40(_min(freeze.until, block.timestamp));
        emit FraudProved(channel, rule, bond, closesAt, msg.sender);
    }

    /// Messages are compared, not signatures: one message may be signed in many ways.
    function _equivocated(Rows.Row memory a, Rows.Row memory b) private pure returns (bool) {
        return a.seq == b.seq && a.digest != b.digest;
    }

    /// Does the later message start below the end of the earlier one?
    function _regressed(Rows.Row memory a, Rows.Row memory b) private pure returns (bool) {
        if (a.seq == b.seq) return false;
        (Rows.Row memory earlier, Rows.Row memory later) = a.seq < b.seq ? (a, b) : (b, a);
        // A message that moves more than it ever spent starts at nothing.
        if (_less(later.spent, later.amount) < earlier.spent) return true;
        return later.payee == earlier.payee && _less(later.paid, later.amount) < earlier.paid;
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

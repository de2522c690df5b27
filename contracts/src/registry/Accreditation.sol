// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVaultView} from "./IVaultView.sol";
import {RegistryBase} from "./RegistryBase.sol";

/// @notice The payees that the hub vouches for, and how many terminals each has: what a claim on a pot is measured by.
/// @dev Every change of something that stands takes effect only after the longest time in which a lease of today can still
/// be claimed under, so nobody is dropped from a pot or thinned out in it, before or after its proof. Hours of the
/// vault's clock.
abstract contract Accreditation is RegistryBase {
    /// @dev One slot. `until` 0: no end. `next` terminals count from hour `nextFrom` on; 0: no change is due.
    struct Vouched {
        uint24 since;
        uint24 until;
        uint16 terminals;
        uint16 next;
        uint24 nextFrom;
    }

    /// @notice The hub vouches for a payee with so many terminals, from hour `since` on.
    event PayeeAccredited(uint32 indexed payee, uint16 terminals, uint24 since);
    /// @notice From hour `from` on the payee has so many terminals.
    event TerminalsChanged(uint32 indexed payee, uint16 terminals, uint24 from);
    /// @notice The hub no longer vouches for a payee from hour `until` on.
    event AccreditationEnds(uint32 indexed payee, uint24 until);

    /// @notice No such payee id.
    error UnknownPayee(uint32 payee);
    /// @notice The hub doesn't vouch for this payee.
    error NotAccredited(uint32 payee);
    /// @notice An earlier change must be over first; then is an hour of the vault's clock.
    error ChangeWaits(uint24 hour);
    /// @notice A payee has 1 to TERMINALS_MAX terminals.
    error WrongCount(uint16 terminals);

    /// @notice Most terminals of one payee.
    uint16 public constant TERMINALS_MAX = 10_000;

    mapping(uint32 payee => Vouched) internal _vouched;

    /// @notice Vouches for a payee with so many terminals. Repeating it changes nothing; another number takes effect after
    /// changeDelay; a payee that is on its way out stays.
    function accredit(uint32 payee, uint16 terminals) external onlyOperator {
        IVaultView vault_ = _vault();
        if (payee == 0 || payee > vault_.payeeCount()) revert UnknownPayee(payee);
        if (terminals == 0 || terminals > TERMINALS_MAX) revert WrongCount(terminals);
        uint24 hour = _hour(vault_);
        Vouched memory vouched = _vouched[payee];
        if (vouched.since == 0 || (vouched.until != 0 && vouched.until <= hour)) {
            // A term that ended is claimed under until the windows of that time are over.
            if (vouched.until != 0) _notBefore(vouched.until + _delay(vault_), hour);
            vouched = Vouched({since: hour + 1, until: 0, terminals: terminals, next: 0, nextFrom: 0});
            emit PayeeAccredited(payee, terminals, vouched.since);
        } else {
            if (vouched.until != 0) {
                vouched.until = 0;
                emit PayeeAccredited(payee, vouched.terminals, vouched.since);
            }
            _change(vault_, payee, vouched, terminals, hour);
        }
        _vouched[payee] = vouched;
    }

    /// @notice Ends vouching for a payee, after changeDelay. Repeating it changes nothing.
    function endAccreditation(uint32 payee) external onlyOperator {
        IVaultView vault_ = _vault();
        uint24 hour = _hour(vault_);
        Vouched storage vouched = _vouched[payee];
        if (vouched.since == 0 || (vouched.until != 0 && vouched.until <= hour)) revert NotAccredited(payee);
        if (vouched.until != 0) return;
        vouched.until = hour + _delay(vault_);
        emit AccreditationEnds(payee, vouched.until);
    }

    /// @notice Terminals that a payee was vouched for with at a time of the vault's clock; 0 when it wasn't.
    /// @dev Right for any time from a claim window ago on.
    function terminalsAt(uint32 payee, uint40 at) external view returns (uint16) {
        Vouched memory vouched = _vouched[payee];
        uint256 hour = at / 1 hours;
        if (vouched.since == 0 || vouched.since > hour || (vouched.until != 0 && vouched.until <= hour)) return 0;
        return vouched.nextFrom != 0 && vouched.nextFrom <= hour ? vouched.next : vouched.terminals;
    }

    /// @notice Vault clock from which the hub has vouched for a payee without a gap; 0 when it doesn't.
    function accreditedSince(uint32 payee) external view returns (uint40) {
        Vouched memory vouched = _vouched[payee];
        if (vouched.since == 0 || (vouched.until != 0 && vouched.until <= _hour(_vault()))) return 0;
        return uint40(vouched.since) * 1 hours;
    }

    /// @notice What the hub says of a payee, as it stands. Hours of the vault's clock.
    function readAccreditation(uint32 payee) external view returns (Vouched memory) {
        return _vouched[payee];
    }

    /// @notice Hours before a change of an accreditation takes effect.
    function changeDelay() external view returns (uint24) {
        return _delay(_vault());
    }

    function _change(IVaultView vault_, uint32 payee, Vouched memory vouched, uint16 terminals, uint24 hour)
        private
    {
        bool due = vouched.nextFrom != 0;
        uint16 last = due ? vouched.next : vouched.terminals;
        if (last == terminals) return;
        if (due) {
            // Pots that opened before the change are claimed at until then by the number of that time.
            _notBefore(vouched.nextFrom + _delay(vault_), hour);
            vouched.terminals = vouched.next;
        }
        vouched.next = terminals;
        vouched.nextFrom = hour + _delay(vault_);
        emit TerminalsChanged(payee, terminals, vouched.nextFrom);
    }

    function _notBefore(uint24 first, uint24 hour) private pure {
        if (hour < first) revert ChangeWaits(first);
    }

    function _hour(IVaultView vault_) private view returns (uint24) {
        return uint24(vault_.clock() / 1 hours);
    }

    /// A lease's life, the clocks' error and the window of its claims, in whole hours.
    function _delay(IVaultView vault_) private view returns (uint24) {
        uint256 seconds_ = uint256(vault_.leaseLifetime()) + vault_.clockError() + vault_.payeeOfflineMax()
            + vault_.claimMargin();
        return uint24(seconds_ / 1 hours + 1);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VaultBase} from "./VaultBase.sol";

/// @notice The emergency brake: bounded, rare, self-expiring. It stops money and clocks together.
/// @dev While frozen nothing is settled, withdrawn, opened or returned, and the vault's clock stands still, so every
/// exit and every claim window has as much time after the freeze as it had before.
abstract contract Guardian is VaultBase {
    /// @notice Money stands still from now until `until` (chain time).
    event FreezeStarted(uint40 until);
    /// @notice The timelock ended the freeze early.
    event FreezeLifted(uint40 at);
    /// @notice Who may freeze from now on.
    event GuardianChanged(address guardian);

    /// @notice A freeze lasts at least a second and at most FREEZE_MAX.
    error WrongDuration(uint40 duration);
    /// @notice The next freeze may start then (chain time).
    error TooSoon(uint40 allowedAt);
    /// @notice No freeze is running.
    error NotFrozen();

    /// @notice Longest freeze, in seconds: longer than the timelock's notice, shorter than any exit.
    uint40 public constant FREEZE_MAX = 7 days;
    /// @notice Seconds between the end of one freeze and the start of the next: a hostile guardian can at worst slow
    /// the vault by a thirteenth.
    uint40 public constant FREEZE_GAP = 90 days;

    /// @notice The only account that may freeze.
    address public guardian;

    /// @notice Stops the vault for `duration` seconds.
    function freeze(uint40 duration) external {
        _only(guardian);
        if (duration == 0 || duration > FREEZE_MAX) revert WrongDuration(duration);
        Freeze memory last = readFreeze();
        uint40 now_ = uint40(block.timestamp);
        if (last.until != 0 && now_ < last.until + FREEZE_GAP) revert TooSoon(last.until + FREEZE_GAP);
        State storage state = _state;
        state.frozenSince = now_;
        state.frozenUntil = now_ + duration;
        state.frozenEarlier = last.earlier + (last.until - last.since);
        emit FreezeStarted(now_ + duration);
    }

    /// @notice Ends a running freeze; only the timelock may.
    function liftFreeze() external onlyTimelock {
        if (block.timestamp >= _state.frozenUntil) revert NotFrozen();
        _state.frozenUntil = uint40(block.timestamp);
        emit FreezeLifted(uint40(block.timestamp));
    }

    /// @notice Replaces the guardian; zero for none.
    function setGuardian(address next) external onlyTimelock {
        _setGuardian(next);
    }

    /// @notice Start and end of the latest freeze and the length of all before it, in seconds.
    function readFreeze() public view returns (Freeze memory) {
        State storage state = _state;
        return Freeze(state.frozenSince, state.frozenUntil, state.frozenEarlier);
    }

    function _setGuardian(address next) internal {
        guardian = next;
        emit GuardianChanged(next);
    }
}

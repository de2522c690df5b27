// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Channels} from "./Channels.sol";
import {IRegistry} from "./IRegistry.sol";
import {Payees} from "./Payees.sol";

/// @notice What the mandates may do in the vault, for an owner or a payee whose word they checked.
/// @dev As with the pots, the address says what code stands there (CREATE2), and the vault never changes it.
abstract contract MandatesDoor is Channels, Payees {
    /// @notice The channel is `owner`'s from now on, with what a running exit gives back.
    event OwnerChanged(uint32 indexed channel, address indexed owner);
    /// @notice The payee's money goes out by its mandates only.
    event PayoutSealed(uint32 indexed payee);

    /// @notice Deposits, owners and payouts on somebody's word.
    address public immutable mandates;

    constructor() {
        mandates = IRegistry(registry).mandates();
    }

    modifier onlyMandates() {
        if (msg.sender != mandates) revert NotAllowed(msg.sender, mandates);
        _;
    }

    /// @notice Makes a channel another account's.
    function setOwner(uint32 channel, address owner) external nonReentrant onlyMandates {
        if (owner == address(0)) revert ZeroAddress();
        _channel(channel).owner = owner;
        emit OwnerChanged(channel, owner);
    }

    /// @notice Starts an exit for the channel's owner.
    function startExitFor(uint32 channel) external nonReentrant onlyMandates {
        _startExit(channel, address(0));
    }

    /// @notice Takes money out of a payee's balance for it.
    function withdrawFor(uint32 payee, address to, uint48 amount)
        external
        nonReentrant
        whenNotFrozen
        onlyMandates
    {
        _withdraw(payee, _payees[payee], to, amount);
    }

    /// @notice From now on the payee's own `withdraw` does nothing, for ever.
    function sealPayout(uint32 payee) external onlyMandates {
        _payees[payee] |= SEALED;
        emit PayoutSealed(payee);
    }
}

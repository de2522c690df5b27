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
    /// @notice What the payee agreed to, for ever: bit 0, its money goes out by its mandates only; bits 1 to 7, the part of
    /// what is settled for it that goes to whoever submits it, in ten-thousandths.
    event TermsAgreed(uint32 indexed payee, uint8 terms);

    /// @notice Deposits, owners and payouts on somebody's word.
    address public immutable mandates;

    constructor() {
        mandates = IRegistry(registry).mandates();
    }

    modifier onlyMandates() {
        _only(mandates);
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

    /// @notice Adds to what a payee agreed to. Nothing takes it away again: what is there stays.
    /// @param terms bits as in TermsAgreed
    function agree(uint32 payee, uint8 terms) external onlyMandates {
        _payees[payee] |= uint256(terms) << TERMS_SHIFT;
        emit TermsAgreed(payee, terms);
    }
}

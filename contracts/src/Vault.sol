// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {Channels} from "./vault/Channels.sol";
import {Settlement} from "./vault/Settlement.sol";
import {VaultBase} from "./vault/VaultBase.sol";

/// @title The vault
/// @notice Holds every deposit and pays only what a payer signed, only to the payee named.
/// @dev No upgrade, no role that can move a deposit.
contract Vault is Channels, Settlement {
    /// @param token_ an ERC-20 with at most 9 decimals and no transfer fee
    /// @param timelock_ the only account that changes parameters
    /// @param timing the clocks of rule 11, in seconds
    /// @param bondShare_ smallest share of a deposit that is bond, in ten-thousandths
    constructor(IERC20 token_, TimelockController timelock_, Timing memory timing, uint16 bondShare_)
        VaultBase(token_, timelock_, timing)
    {
        _setBondShare(bondShare_);
    }
}

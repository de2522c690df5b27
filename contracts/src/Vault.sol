// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Timelock} from "./Timelock.sol";
import {Announcements} from "./vault/Announcements.sol";
import {Guardian} from "./vault/Guardian.sol";
import {MandatesDoor} from "./vault/MandatesDoor.sol";
import {PotsDoor} from "./vault/PotsDoor.sol";
import {VaultBase} from "./vault/VaultBase.sol";

/// @title The vault
/// @notice Holds every deposit and pays only what a payer signed, only to the payee named.
/// @dev No upgrade, and no role that can move a deposit: the timelock sets the bond's share within bounds and the
/// guardian, and lifts a freeze. The guardian freezes. What the hub may do stands in the registry, what becomes of a
/// lost bond in the pots.
contract Vault is Announcements, PotsDoor, MandatesDoor, Guardian {
    /// @dev The registry creates it: see Registry.deployVault.
    /// @param token_ an ERC-20 with at most 9 decimals and no transfer fee
    /// @param timelock_ the only account that changes parameters; gives at least two days' notice
    /// @param timing the clocks of rule 11, in seconds
    /// @param bondShare_ smallest share of a deposit that is bond, in ten-thousandths
    /// @param guardian_ may freeze; zero for nobody
    constructor(
        IERC20 token_,
        Timelock timelock_,
        Timing memory timing,
        uint16 bondShare_,
        address guardian_
    ) VaultBase(token_, timelock_, timing) {
        _setBondShare(bondShare_);
        _setGuardian(guardian_);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {Channels} from "./vault/Channels.sol";
import {Guardian} from "./vault/Guardian.sol";
import {HubRegistry} from "./vault/HubRegistry.sol";
import {Pots} from "./vault/Pots.sol";
import {VaultBase} from "./vault/VaultBase.sol";

/// @title The vault
/// @notice Holds every deposit and pays only what a payer signed, only to the payee named.
/// @dev No upgrade, and no role that can move a deposit: the timelock sets the bond's share within bounds, the
/// guardian, the hub's operator and a lost hub key, lifts a freeze, and pays from the reserve. The guardian freezes.
/// The hub's operator accredits payees and anchors its log.
contract Vault is Channels, Pots, HubRegistry, Guardian {
    /// @notice Who may do what besides owners and payees.
    struct Roles {
        /// May freeze; zero for nobody.
        address guardian;
        /// Accredits payees and anchors the log.
        address hubOperator;
        /// First key that signs leases, acknowledgements and beacons.
        address hubKey;
        /// Chain time at which that key ends.
        uint40 hubKeyUntil;
    }

    /// @param token_ an ERC-20 with at most 9 decimals and no transfer fee
    /// @param timelock_ the only account that changes parameters; gives at least two days' notice
    /// @param timing the clocks of rule 11, in seconds
    /// @param bondShare_ smallest share of a deposit that is bond, in ten-thousandths
    /// @param roles the other roles at the start
    constructor(
        IERC20 token_,
        TimelockController timelock_,
        Timing memory timing,
        uint16 bondShare_,
        Roles memory roles
    ) VaultBase(token_, timelock_, timing) {
        _setBondShare(bondShare_);
        _setGuardian(roles.guardian);
        _setHubOperator(roles.hubOperator);
        _addHubKey(roles.hubKey, uint40(block.timestamp), roles.hubKeyUntil);
    }
}

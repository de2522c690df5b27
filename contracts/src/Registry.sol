// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {Accreditation} from "./registry/Accreditation.sol";
import {Anchors} from "./registry/Anchors.sol";
import {HubKeys} from "./registry/HubKeys.sol";
import {RegistryBase} from "./registry/RegistryBase.sol";
import {Settlers} from "./registry/Settlers.sol";

/// @title What L2 knows of a hub
/// @notice Its root, its hot keys, the accounts that settle for it, the payees it vouches for, and its log. No money.
/// @dev One registry stands for one vault, its pots and its mandates, whose code it fixed at its own creation: so they name
/// each other without a role that ties them together, and all addresses are known before any exists.
contract Registry is HubKeys, Settlers, Accreditation, Anchors {
    /// @notice Who speaks for the hub at the start.
    struct Start {
        /// Cold secp256k1 key that certifies and revokes hot keys.
        address root;
        /// Accredits payees, adds and drops settlers, anchors the log.
        address operator;
        /// First account whose batches settle at once; zero for none.
        address settler;
        /// First hot key; counts at once, for HUB_KEY_TERM_MAX from the deployment on.
        address hubKey;
    }

    /// @param timelock_ replaces root and operator, and takes back anchors that run ahead
    /// @param vaultCode_ keccak256 of the creation code of the vault with its parameters
    /// @param potsCode_ the same of the pots
    /// @param mandatesCode_ the same of the mandates
    constructor(
        TimelockController timelock_,
        bytes32 vaultCode_,
        bytes32 potsCode_,
        bytes32 mandatesCode_,
        Start memory start
    ) RegistryBase(timelock_, vaultCode_, potsCode_, mandatesCode_) {
        _setRoot(start.root);
        _setOperator(start.operator);
        _addFirstSettler(start.settler);
        _addFirstKey(start.hubKey);
        _startLog();
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Claims} from "./pots/Claims.sol";
import {PotsBase} from "./pots/PotsBase.sol";
import {Reserve} from "./Reserve.sol";
import {IRegistry} from "./vault/IRegistry.sol";
import {VaultBase} from "./vault/VaultBase.sol";

/// @title Pots
/// @notice What becomes of a cheater's bond: proofs open a pot, payees claim on evidence made before the sale, the rest
/// goes to the reserve, which stands behind the hub's guarantees.
/// @dev The registry creates it: see Registry.deployPots. No role: everything here is moved by evidence and by time.
contract Pots is Claims {
    /// @param token_ and timing are the vault's
    constructor(IERC20 token_, VaultBase.Timing memory timing)
        PotsBase(token_, timing, new Reserve(token_, IRegistry(msg.sender), timing))
    {}
}

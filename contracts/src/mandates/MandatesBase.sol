// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IRegistry} from "../vault/IRegistry.sol";
import {IVault} from "./IVault.sol";

/// @notice What all mandates stand on.
abstract contract MandatesBase {
    /// @notice Only this account may do that.
    error NotAllowed(address caller, address allowed);
    /// @notice An address that must not be zero is.
    error ZeroAddress();

    IVault public immutable vault;
    IERC20 public immutable token;

    /// @dev The registry creates it, when the vault stands.
    constructor() {
        vault = IVault(IRegistry(msg.sender).vault());
        token = vault.token();
    }
}

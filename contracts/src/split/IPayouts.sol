// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What a split asks the mandates of a vault.
interface IPayouts {
    function payOut(uint32 payee) external returns (uint48 amount);
}

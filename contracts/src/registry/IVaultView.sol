// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What the registry and the pots ask the vault.
interface IVaultView {
    function domainSeparator() external view returns (bytes32);
    function clock() external view returns (uint40);
    function guardian() external view returns (address);
    function payeeCount() external view returns (uint32);
    function slowLane() external view returns (uint40);
    function leaseLifetime() external view returns (uint40);
    function clockError() external view returns (uint40);
    function payeeOfflineMax() external view returns (uint40);
    function claimMargin() external view returns (uint40);
}

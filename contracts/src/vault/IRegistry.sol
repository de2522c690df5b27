// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What the vault and the pots ask the registry.
interface IRegistry {
    function vault() external view returns (address);
    function pots() external view returns (address);
    function mandates() external view returns (address);
    function settlerFrom(address account) external view returns (uint40);
    function hubKey(address key)
        external
        view
        returns (uint40 from, uint40 until, uint40 countsFrom, uint40 addedAt, bool good);
    function terminalsAt(uint32 payee, uint40 at) external view returns (uint16);
    function accreditedSince(uint32 payee) external view returns (uint40);
}

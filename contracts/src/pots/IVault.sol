// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VaultBase} from "../vault/VaultBase.sol";

/// @notice What the pots ask of their vault.
interface IVault {
    function domainSeparator() external view returns (bytes32);
    function clock() external view returns (uint40);
    function readFreeze() external view returns (VaultBase.Freeze memory);
    function payeeWords(uint256[] calldata ids) external view returns (uint256[] memory);
    function readPayee(uint32 id) external view returns (address account, uint48 balance);
    function payerOf(uint32 channel) external view returns (address payer, uint48 bond);
    function settled(uint32 channel, uint32 payee) external view returns (uint48);
    function slash(uint32 channel) external returns (uint48 bond);
    function payFromPot(uint32 channel, uint32 payee, uint48 amount, uint48 raised) external;
}

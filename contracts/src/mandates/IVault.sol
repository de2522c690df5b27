// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @notice What the mandates ask of their vault.
interface IVault {
    function token() external view returns (IERC20);
    function clock() external view returns (uint40);
    function domainSeparator() external view returns (bytes32);
    function ownerOf(uint32 channel) external view returns (address);
    function readPayee(uint32 id) external view returns (address account, uint48 balance);
    function registerPayee(address account) external returns (uint32 payee);
    function open(address owner, address payer, uint48 amount, uint48 bond) external returns (uint32 channel);
    function topUp(uint32 channel, uint48 amount, uint48 bond) external;
    function setOwner(uint32 channel, address owner) external;
    function startExitFor(uint32 channel) external;
    function withdrawFor(uint32 payee, address to, uint48 amount) external;
    function agree(uint32 payee, uint8 terms) external;
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title The vault's timelock
/// @notice OpenZeppelin's, with a notice that nobody can shorten below what users were promised.
/// @dev Without the floor a proposer gives itself no notice first (that takes the notice once), and every later change
/// comes in the block in which it is proposed.
contract Timelock is TimelockController {
    /// @notice Seconds of notice that no proposal falls below.
    uint256 public constant NOTICE_MIN = 2 days;

    /// @param notice seconds between proposal and execution; counts as NOTICE_MIN when it is less
    /// @param proposers may propose and cancel
    /// @param executors may execute what is due; the zero address for anybody
    constructor(uint256 notice, address[] memory proposers, address[] memory executors)
        TimelockController(notice, proposers, executors, address(0))
    {}

    /// @notice Seconds of notice that a proposal gives at least.
    function getMinDelay() public view override returns (uint256) {
        uint256 set = super.getMinDelay();
        return set < NOTICE_MIN ? NOTICE_MIN : set;
    }
}

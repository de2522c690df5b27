// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RegistryBase} from "./RegistryBase.sol";

/// @notice Roots of the hub's log on L2, so that the hub can't show two histories.
/// @dev A root is written once for a size. A log grows at most by ANCHOR_RATE, so a thief of the operator's key can't
/// name a size that the log never reaches; what it did name the timelock takes out of the way.
abstract contract Anchors is RegistryBase {
    /// @notice The hub's log had this root when it held `size` entries.
    event Anchored(uint48 indexed size, bytes32 root);
    /// @notice Anchors above `size` don't stand in the way of smaller ones any more; their roots stay.
    event AnchorsTakenBack(uint48 size);

    /// @notice A log only grows.
    error LogShrunk(uint48 size, uint48 known);
    /// @notice No log grows that fast.
    error LogTooFast(uint48 size, uint256 most);
    /// @notice A size has one root for good.
    error AnchorKnown(uint48 size);

    /// @notice Entries a second that a log grows at most between two anchors.
    uint256 public constant ANCHOR_RATE = 10_000;

    /// @notice Entries of the hub's log at the latest anchor.
    uint48 public anchoredSize;
    /// @notice Chain time of the latest anchor; of the registry's creation before the first.
    uint40 public anchoredAt;
    /// @notice Root of the hub's log by its size, zero where it wasn't anchored.
    mapping(uint48 size => bytes32 root) public anchorOf;

    /// @notice Fixes the root of the log at `size` entries.
    function anchor(uint48 size, bytes32 root_) external onlyOperator {
        if (size <= anchoredSize) revert LogShrunk(size, anchoredSize);
        uint256 most = anchoredSize + ANCHOR_RATE * (block.timestamp - anchoredAt);
        if (size > most) revert LogTooFast(size, most);
        if (anchorOf[size] != 0) revert AnchorKnown(size);
        anchoredSize = size;
        anchoredAt = uint40(block.timestamp);
        anchorOf[size] = root_;
        emit Anchored(size, root_);
    }

    /// @notice Lets the log go on from `size`, when a stolen operator's key anchored ahead of it; only the timelock may.
    function takeBackAnchors(uint48 size) external onlyTimelock {
        if (size >= anchoredSize) revert LogShrunk(anchoredSize, size);
        anchoredSize = size;
        emit AnchorsTakenBack(size);
    }

    function _startLog() internal {
        anchoredAt = uint40(block.timestamp);
    }
}

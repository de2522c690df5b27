// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Split} from "./Split.sol";

/// @title Where splits come from
/// @notice Makes splits at addresses that follow from token, shares and salt, so that one can be named before it stands.
contract Splits {
    /// @notice A split stands.
    event SplitMade(address indexed split, IERC20 indexed token);

    /// @notice Makes a split, or answers the one that stands already. Anyone may.
    function make(IERC20 token, Split.Share[] calldata shares, bytes32 salt) external returns (address split) {
        split = addressOf(token, shares, salt);
        if (split.code.length != 0) return split;
        new Split{salt: salt}(token, shares);
        emit SplitMade(split, token);
    }

    /// @notice Where that split stands, or will.
    function addressOf(IERC20 token, Split.Share[] calldata shares, bytes32 salt) public view returns (address) {
        bytes32 code = keccak256(bytes.concat(type(Split).creationCode, abi.encode(token, shares)));
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), this, salt, code)))));
    }
}

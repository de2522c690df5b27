// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "./Vm.sol";

/// @notice Comparisons that say what they saw.
abstract contract Check {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error Different(string what, uint256 seen, uint256 expected);
    error NotTrue(string what);

    function same(uint256 seen, uint256 expected, string memory what) internal pure {
        if (seen != expected) revert Different(what, seen, expected);
    }

    function same(address seen, address expected, string memory what) internal pure {
        same(uint160(seen), uint160(expected), what);
    }

    function same(bytes32 seen, bytes32 expected, string memory what) internal pure {
        same(uint256(seen), uint256(expected), what);
    }

    function holds(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }
}

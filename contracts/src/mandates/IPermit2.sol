// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What the mandates use of Permit2: one transfer on a signature that covers the terms it is for.
interface IPermit2 {
    struct Permitted {
        address token;
        uint256 amount;
    }

    struct Permit {
        Permitted permitted;
        uint256 nonce;
        uint256 deadline;
    }

    struct Asked {
        address to;
        uint256 amount;
    }

    function permitWitnessTransferFrom(
        Permit calldata permit,
        Asked calldata asked,
        address owner,
        bytes32 witness,
        string calldata witnessType,
        bytes calldata signature
    ) external;
}

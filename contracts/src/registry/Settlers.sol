// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVaultView} from "./IVaultView.sol";
import {RegistryBase} from "./RegistryBase.sol";

/// @notice Accounts whose batches settle at once. Dropping one is instant, adding one takes longer than the slow lane and
/// the timelock's notice: a thief of the operator's key is replaced before the account it names counts.
abstract contract Settlers is RegistryBase {
    /// @notice Batches of `settler` settle at once from `countsFrom` on the vault's clock.
    event SettlerAdded(address indexed settler, uint40 countsFrom);
    /// @notice Batches of `settler` don't settle at once any more.
    event SettlerDropped(address indexed settler);

    /// @notice It is one already.
    error SettlerKnown(address settler);
    /// @notice It isn't one.
    error NoSettler(address settler);

    /// @notice Seconds of the vault's clock, beside the slow lane's, before a new settler counts.
    uint40 public constant SETTLER_NOTICE = 1 days;

    /// @notice Vault clock from which an account's batches settle at once; 0 for never.
    mapping(address settler => uint40 countsFrom) public settlerFrom;

    /// @notice Names an account that settles for the hub; only the operator may.
    function addSettler(address settler) external onlyOperator {
        if (settlerFrom[settler] != 0) revert SettlerKnown(settler);
        IVaultView vault_ = _vault();
        _addSettler(settler, vault_.clock() + vault_.slowLane() + SETTLER_NOTICE);
    }

    /// @notice Ends an account's fast lane at once. Operator, guardian and timelock may.
    function dropSettler(address settler) external {
        if (msg.sender != operator && msg.sender != address(timelock) && msg.sender != _vault().guardian()) {
            revert NotAllowed(msg.sender, operator);
        }
        if (settlerFrom[settler] == 0) revert NoSettler(settler);
        delete settlerFrom[settler];
        emit SettlerDropped(settler);
    }

    function _addFirstSettler(address settler) internal {
        if (settler != address(0)) _addSettler(settler, 1);
    }

    function _addSettler(address settler, uint40 countsFrom) private {
        if (settler == address(0)) revert ZeroAddress();
        settlerFrom[settler] = countsFrom;
        emit SettlerAdded(settler, countsFrom);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Settlement} from "./Settlement.sol";

/// @notice The slow lane: everybody's way to settle without the hub. A batch is shown first, and settles when those whom
/// it could harm had time to settle what the hub acknowledged.
abstract contract Announcements is Settlement {
    /// @notice These rows may be executed from `executableAt` on (vault clock), by anyone, for ANNOUNCEMENT_LIFE.
    event Announced(bytes32 indexed batch, uint40 executableAt, bytes rows);
    /// @notice An announced batch was executed; its outcomes stand in BatchSettled.
    event Executed(bytes32 indexed batch);

    /// @notice The batch waits already; announcing it again doesn't start its clock anew.
    error AlreadyAnnounced(uint40 executableAt);
    /// @notice Nobody announced these bytes, or they were executed.
    error NotAnnounced(bytes32 batch);
    /// @notice Executable then (vault clock).
    error NotDue(uint40 executableAt);
    /// @notice Nobody executed the batch in time; announce it again.
    error AnnouncementOver(uint40 endedAt);

    /// @notice Seconds of the vault's clock in which a due batch can be executed.
    uint40 public constant ANNOUNCEMENT_LIFE = 7 days;

    /// @notice Vault clock at which a batch was announced, by its hash; 0 for never.
    mapping(bytes32 batch => uint40 at) public announcedAt;

    /// @notice Shows a batch, so that anyone may execute it after the slow lane's delay. Anyone may.
    /// @param batch as for settle; its rows aren't looked at yet
    function announce(bytes calldata batch) external {
        bytes32 hash = _hashOf(batch);
        uint40 known = announcedAt[hash];
        uint40 now_ = clock();
        if (known != 0 && now_ <= known + slowLane + ANNOUNCEMENT_LIFE) revert AlreadyAnnounced(known + slowLane);
        announcedAt[hash] = now_;
        emit Announced(hash, now_ + slowLane, batch);
    }

    /// @notice Settles a batch that was announced, once.
    /// @param batch the same bytes
    function execute(bytes calldata batch) external nonReentrant whenNotFrozen {
        bytes32 hash = _hashOf(batch);
        uint40 known = announcedAt[hash];
        if (known == 0) revert NotAnnounced(hash);
        uint40 now_ = clock();
        uint40 due = known + slowLane;
        if (now_ < due) revert NotDue(due);
        if (now_ > due + ANNOUNCEMENT_LIFE) revert AnnouncementOver(due + ANNOUNCEMENT_LIFE);
        delete announcedAt[hash];
        _settle(batch, true);
        emit Executed(hash);
    }

    /// keccak256 of the bytes, without taking memory for good: settling counts on where its own stands.
    function _hashOf(bytes calldata batch) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, batch.offset, batch.length)
            hash := keccak256(free, batch.length)
        }
    }
}

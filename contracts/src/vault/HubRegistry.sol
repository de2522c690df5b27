// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Digests} from "./Digests.sol";
import {Payees} from "./Payees.sol";
import {Signatures} from "./Signatures.sol";

/// @notice What L2 knows of the hub: its signing keys and when each is good, the payees it vouches for, and the
/// checkpoints of its log. The hub can't move money here.
abstract contract HubRegistry is Payees {
    /// @dev One slot. `scheme` 0 is a recovered secp256k1 address; other numbers are kept for threshold keys.
    struct HubKeyTerm {
        uint40 from;
        uint40 until;
        uint8 scheme;
    }

    /// @notice `key` signs for the hub between these times (chain time).
    event HubKeyAnnounced(address indexed key, uint40 from, uint40 until);
    /// @notice `key` is no hub key from `at` on.
    event HubKeyRevoked(address indexed key, uint40 at);
    /// @notice The account that accredits and anchors.
    event HubOperatorChanged(address operator);
    /// @notice The hub vouches for a payee (or no longer does), since `at` on the vault's clock.
    event PayeeAccredited(uint32 indexed payee, bool accredited, uint40 at);
    /// @notice The hub's log had this root when it held `size` entries.
    event Anchored(uint48 indexed size, bytes32 root);

    /// @notice The announcement isn't signed by the hub's newest key, or that key isn't in force.
    error NotSignedByHub(address signer);
    /// @notice The key was announced before; a key is never used twice.
    error KeyKnown(address key);
    /// @notice A new key starts after some notice, and before its end.
    error WrongTerm(uint40 from, uint40 until);
    /// @notice The old key ends before devices that are offline can have learned the new one.
    error OverlapTooShort(uint40 until, uint40 needed);
    /// @notice A log only grows.
    error LogShrunk(uint48 size, uint48 known);

    /// @notice Seconds between the announcement of a hub key and its first use.
    uint40 public constant HUB_KEY_NOTICE = 1 days;

    /// @notice The account that accredits payees and anchors the log.
    address public hubOperator;
    /// @notice The newest hub key; it signs the next announcement.
    address public hubKey;
    mapping(address key => HubKeyTerm) internal _hubKeys;
    /// @notice Entries of the hub's log at the latest anchor.
    uint48 public anchoredSize;
    /// @notice Root of the hub's log by its size, zero where it wasn't anchored.
    mapping(uint48 size => bytes32 root) public anchorOf;

    /// @notice Announces the next hub key, signed by the current one. Anyone may carry it.
    /// @dev The current key's own term must overlap by a lease's life and the longest time a payee is offline: until
    /// then some terminal may know only the old key.
    /// @param from first second in which the next key signs, chain time
    /// @param until last second, chain time
    /// @param r first half of the 64-byte signature over HubKey(next, from, until)
    /// @param vs second half
    function announceHubKey(address next, uint40 from, uint40 until, bytes32 r, bytes32 vs) external {
        address signer = Signatures.recover(
            Digests.digest(domainSeparator, Digests.hubKey(next, from, until)), uint256(r), uint256(vs)
        );
        address current = hubKey;
        HubKeyTerm memory term = _hubKeys[current];
        if (signer != current || block.timestamp < term.from || block.timestamp >= term.until) {
            revert NotSignedByHub(signer);
        }
        if (from < block.timestamp + HUB_KEY_NOTICE) revert WrongTerm(from, until);
        uint40 needed = from + leaseLifetime + payeeOfflineMax;
        if (term.until < needed) revert OverlapTooShort(term.until, needed);
        _addHubKey(next, from, until);
    }

    /// @notice Replaces a hub key that was lost or stolen; only the timelock may. The old one ends at once.
    function replaceHubKey(address next, uint40 until) external onlyTimelock {
        address current = hubKey;
        uint40 now_ = uint40(block.timestamp);
        if (_hubKeys[current].until > now_) _hubKeys[current].until = now_;
        emit HubKeyRevoked(current, now_);
        _addHubKey(next, now_, until);
    }

    /// @notice Says whether the hub vouches for a payee; that only matters for sharing a lost bond.
    function accredit(uint32 payee, bool accredited) external {
        if (msg.sender != hubOperator) revert NotAllowed(msg.sender, hubOperator);
        uint256 word = _payees[payee];
        if (word == 0) revert UnknownPayee(payee);
        uint40 at = clock();
        uint256 mark = accredited ? uint256(at) << ACCREDITED_SHIFT : 0;
        _payees[payee] = (word & ~(uint256(type(uint40).max) << ACCREDITED_SHIFT)) | mark;
        emit PayeeAccredited(payee, accredited, at);
    }

    /// @notice Fixes the root of the hub's log on L2, so that the hub can't show two histories.
    /// @param size entries in the log
    /// @param root of the log's Merkle tree at that size
    function anchor(uint48 size, bytes32 root) external {
        if (msg.sender != hubOperator) revert NotAllowed(msg.sender, hubOperator);
        if (size <= anchoredSize) revert LogShrunk(size, anchoredSize);
        anchoredSize = size;
        anchorOf[size] = root;
        emit Anchored(size, root);
    }

    /// @notice Replaces the operator; only the timelock may.
    function setHubOperator(address next) external onlyTimelock {
        _setHubOperator(next);
    }

    /// @notice When a hub key is good, chain time; all zero when it never was one.
    function readHubKey(address key) external view returns (HubKeyTerm memory) {
        return _hubKeys[key];
    }

    function _setHubOperator(address next) internal {
        hubOperator = next;
        emit HubOperatorChanged(next);
    }

    function _addHubKey(address next, uint40 from, uint40 until) internal {
        if (next == address(0)) revert ZeroAddress();
        if (_hubKeys[next].until != 0) revert KeyKnown(next);
        if (until <= from) revert WrongTerm(from, until);
        _hubKeys[next] = HubKeyTerm({from: from, until: until, scheme: 0});
        hubKey = next;
        emit HubKeyAnnounced(next, from, until);
    }
}

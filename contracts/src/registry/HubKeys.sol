// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Digests} from "../vault/Digests.sol";
import {Signatures} from "../vault/Signatures.sol";
import {IVaultView} from "./IVaultView.sol";
import {RegistryBase} from "./RegistryBase.sol";

/// @notice The hub's hot keys: certified and revoked by its root, never by one another. What devices believe is the same
/// rule: a lower epoch is refused, a higher one ends every older key, a revoked key never comes back.
abstract contract HubKeys is RegistryBase {
    /// @dev One slot. Chain time, but `countsFrom`, which is the vault's clock.
    struct HubKeyTerm {
        uint40 from;
        uint40 until;
        /// From then on rows with its acknowledgement settle at once.
        uint40 countsFrom;
        /// When it was carried here.
        uint40 addedAt;
        /// When it was revoked; 0 while it wasn't.
        uint40 revokedAt;
        uint32 epoch;
    }

    /// @notice `key` signs for the hub between these times.
    event HubKeyAdded(address indexed key, uint40 from, uint40 until, uint32 epoch, uint40 countsFrom);
    /// @notice `key` is no hub key from `at` on, and never again.
    event HubKeyRevoked(address indexed key, uint40 at);
    /// @notice Keys of lower epochs ended.
    event EpochRaised(uint32 epoch);
    /// @notice The key that certifies hot keys.
    event RootChanged(address root);

    /// @notice The root didn't sign that.
    error NotSignedByRoot(address signer);
    /// @notice The key has this term, or a longer one, already.
    error KeyKnown(address key);
    /// @notice A revoked key never comes back.
    error KeyRevoked(address key);
    /// @notice A term lasts at most HUB_KEY_TERM_MAX, begins at most HUB_KEY_LEAD_MAX after it was signed, and was signed
    /// in the past.
    error WrongTerm(uint40 from, uint40 until, uint40 signedAt);
    /// @notice A certificate of an epoch that is over.
    error OldEpoch(uint32 epoch, uint32 current);

    /// @notice Longest term of a hot key, in seconds.
    uint40 public constant HUB_KEY_TERM_MAX = 30 days;
    /// @notice Longest time between a certificate's signature and the key's first second.
    uint40 public constant HUB_KEY_LEAD_MAX = 10 days;

    /// @notice Certifies and revokes hot keys.
    address public root;
    /// @notice Keys of lower epochs are void.
    uint32 public epoch;
    mapping(address key => HubKeyTerm) internal _hubKeys;

    /// @notice Brings a certificate of the root. Anyone may carry it. The key signs in its term; a row with its
    /// acknowledgement settles at once only after the slow lane's delay, so that nobody opens the fast lane by surprise.
    function addHubKey(address key, uint40 from, uint40 until, uint32 epoch_, uint40 signedAt, bytes32 r, bytes32 vs)
        external
    {
        IVaultView vault_ = _vault();
        _checkRoot(vault_, Digests.hubKey(key, from, until, epoch_, signedAt), r, vs);
        if (signedAt > block.timestamp) revert WrongTerm(from, until, signedAt);
        if (epoch_ < epoch) revert OldEpoch(epoch_, epoch);
        if (epoch_ > epoch) {
            epoch = epoch_;
            emit EpochRaised(epoch_);
        }
        _addKey(key, from, until, signedAt, vault_.clock() + vault_.slowLane() + 1);
    }

    /// @notice Brings a revocation of the root, for any key, known here or not. Anyone may carry it; it works at once.
    function revokeHubKey(address key, uint40 at, bytes32 r, bytes32 vs) external {
        _checkRoot(_vault(), Digests.hubKeyRevoked(key, at), r, vs);
        if (_hubKeys[key].revokedAt != 0) revert KeyRevoked(key);
        _hubKeys[key].revokedAt = uint40(block.timestamp);
        emit HubKeyRevoked(key, uint40(block.timestamp));
    }

    /// @notice Replaces a root that was lost or stolen; only the timelock may. Keys stand until they end or are revoked.
    function setRoot(address next) external onlyTimelock {
        _setRoot(next);
    }

    /// @notice When a hub key is good; all zero when it was never one.
    function readHubKey(address key) external view returns (HubKeyTerm memory) {
        return _hubKeys[key];
    }

    /// @notice What a lease or acknowledgement of a key counts for.
    /// @return from first second in which it signs
    /// @return until last second
    /// @return countsFrom vault clock from which its acknowledgements speed rows
    /// @return addedAt when it was carried here
    /// @return good false once it was revoked or its epoch ended
    function hubKey(address key)
        external
        view
        returns (uint40 from, uint40 until, uint40 countsFrom, uint40 addedAt, bool good)
    {
        HubKeyTerm memory term = _hubKeys[key];
        return (term.from, term.until, term.countsFrom, term.addedAt, term.revokedAt == 0 && term.epoch == epoch);
    }

    function _setRoot(address next) internal {
        if (next == address(0)) revert ZeroAddress();
        root = next;
        emit RootChanged(next);
    }

    /// The first key counts at once: nobody relies on a vault before it stands.
    function _addFirstKey(address key) internal {
        uint40 from = uint40(block.timestamp);
        _addKey(key, from, from + HUB_KEY_TERM_MAX, from, 1);
    }

    function _addKey(address key, uint40 from, uint40 until, uint40 signedAt, uint40 countsFrom) private {
        if (key == address(0)) revert ZeroAddress();
        HubKeyTerm memory known = _hubKeys[key];
        if (known.revokedAt != 0) revert KeyRevoked(key);
        if (until < from || until - from > HUB_KEY_TERM_MAX || from > signedAt + HUB_KEY_LEAD_MAX) {
            revert WrongTerm(from, until, signedAt);
        }
        if (known.addedAt != 0) {
            // Certified again: the term only grows, so that no older certificate undoes a newer one.
            if (until <= known.until && epoch == known.epoch) revert KeyKnown(key);
            if (known.from < from) from = known.from;
            if (known.until > until) until = known.until;
            if (epoch == known.epoch) countsFrom = known.countsFrom;
        } else {
            known.addedAt = uint40(block.timestamp);
        }
        _hubKeys[key] = HubKeyTerm({
            from: from,
            until: until,
            countsFrom: countsFrom,
            addedAt: known.addedAt,
            revokedAt: 0,
            epoch: epoch
        });
        emit HubKeyAdded(key, from, until, epoch, countsFrom);
    }

    function _checkRoot(IVaultView vault_, bytes32 structHash, bytes32 r, bytes32 vs) private view {
        address signer = Signatures.recover(
            Digests.digest(vault_.domainSeparator(), structHash), uint256(r), uint256(vs)
        );
        if (signer == address(0) || signer != root) revert NotSignedByRoot(signer);
    }
}

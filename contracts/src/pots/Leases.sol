// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {Digests} from "../vault/Digests.sol";
import {Signatures} from "../vault/Signatures.sol";
import {Proofs} from "./Proofs.sol";

/// @notice Leases as evidence: what the hub promised before the sale, to which payees, with how many terminals.
abstract contract Leases is Proofs {
    /// @notice The payee holds nothing more under leases of this channel that ended until then (chain time).
    event LeasesReleased(uint32 indexed channel, uint32 indexed payee, uint40 until);

    /// @notice A lease's bytes end early.
    error TruncatedLease(uint256 offset);
    /// @notice Scopes must rise strictly, so that each is shown once, and so must the ids in a member list.
    error NotRising();
    /// @notice No hub key signed that in its term, or it was carried to L2 only after the proof.
    error NotALease(address signer);
    /// @notice The lease was signed after the proof, or its claims are over, or the payee released it.
    error LeaseOutOfTime(uint40 issuedAt, uint40 expiresAt);
    /// @notice A lease with members whose scope can take more than its bond and guarantee, or a cap above a quarter of
    /// the bond: no honest hub signs that, and nobody is thinned out by it.
    error CoverTooWide(uint256 cover, uint256 funds);
    /// @notice The payee isn't a member of the lease's scope.
    error NotInScope(bytes32 scope);
    /// @notice Not the payee's signature.
    error NotSignedByPayee(address account);

    /// @dev What the leases shown promise a payee. Units.
    struct Cover {
        /// Under leases with members whose keys are good, and under good and revoked ones together.
        uint256 good;
        uint256 withRevoked;
        /// Terminals times the largest cap: a terminal's cap is cumulative over leases.
        uint256 all;
        /// Largest guarantee of a good lease with members.
        uint256 guarantee;
        /// Earliest end of a lease shown.
        uint256 firstEnd;
        /// True when a lease for any terminal is among them.
        bool wide;
    }

    /// @dev What leases are measured by.
    struct Look {
        uint32 channel;
        uint32 payee;
        address payer;
        uint256 terminals;
        uint256 bond;
        uint40 openedAt;
        uint40 frozenSince;
        uint40 frozenUntil;
        uint40 released;
        bytes32 separator;
    }

    /// Bytes of a lease before its members.
    uint256 private constant LEASE_BYTES = 105;
    uint256 private constant MEMBER_BYTES = 5;

    mapping(uint32 channel => mapping(uint32 payee => uint40 until)) internal _released;

    /// @notice Until when a payee released the leases of a channel, chain time.
    function releasedUntil(uint32 channel, uint32 payee) external view returns (uint40) {
        return _released[channel][payee];
    }

    /// Reads leases: member count 1, spentFrom 6, spendLimit 6, tapLimit 6, cap 6, guarantee 6, issuedAt 5, expiresAt 5,
    /// signature 64, then each member's id 4 and terminals 1. No member: a lease for any terminal.
    function _readLeases(Look memory look, bytes calldata leases) internal view returns (Cover memory cover) {
        cover.firstEnd = type(uint40).max;
        bytes32 last;
        uint256 largest;
        uint256 at;
        // Each round consumes a lease's bytes of calldata.
        while (at < leases.length) {
            uint256 size = LEASE_BYTES + MEMBER_BYTES * uint8(leases[at]);
            if (at + size > leases.length) revert TruncatedLease(at);
            bytes calldata lease = leases[at:at + size];
            bytes32 scope = size == LEASE_BYTES ? bytes32(0) : keccak256(lease[LEASE_BYTES:]);
            if (at != 0 && scope <= last) revert NotRising();
            last = scope;
            uint256 cap = _readLease(look, lease, scope, cover);
            if (cap > largest) largest = cap;
            at += size;
        }
        cover.all = look.terminals * largest;
    }

    function _readLease(Look memory look, bytes calldata lease, bytes32 scope, Cover memory cover)
        private
        view
        returns (uint256 cap)
    {
        Digests.LeaseTerms memory terms;
        uint256 word = uint256(bytes32(lease[1:33]));
        terms.spentFrom = uint48(word >> 208);
        terms.spendLimit = uint48(word >> 160);
        terms.tapLimit = uint48(word >> 112);
        terms.cap = uint48(word >> 64);
        terms.guarantee = uint48(word >> 16);
        word = uint256(bytes32(lease[9:41]));
        terms.issuedAt = uint40(word >> 40);
        terms.expiresAt = uint40(word);
        cap = terms.cap;
        bool good = _checkLease(look, lease, scope, terms, cover);
        if (scope == 0) {
            cover.wide = true;
            return cap;
        }
        (uint256 own, uint256 sum) = _members(lease, look.payee);
        if (own == 0) revert NotInScope(scope);
        uint256 guarantee = _min(terms.guarantee, look.bond);
        if (sum * cap > look.bond + guarantee) revert CoverTooWide(sum * cap, look.bond + guarantee);
        if (4 * cap > look.bond) revert CoverTooWide(4 * cap, look.bond);
        uint256 covered = _min(own, look.terminals) * cap;
        cover.withRevoked += covered;
        if (!good) return cap;
        cover.good += covered;
        if (guarantee > cover.guarantee) cover.guarantee = guarantee;
    }

    /// Checks signer and times. Answers whether the key is still good.
    function _checkLease(
        Look memory look,
        bytes calldata lease,
        bytes32 scope,
        Digests.LeaseTerms memory terms,
        Cover memory cover
    ) private view returns (bool good) {
        address signer = Signatures.recover(
            Digests.digest(look.separator, Digests.lease(look.channel, look.payer, terms, scope)),
            uint256(bytes32(lease[41:73])),
            uint256(bytes32(lease[73:105]))
        );
        uint40 from;
        uint40 until;
        uint40 addedAt;
        (from, until,, addedAt, good) = registry.hubKey(signer);
        if (until == 0 || terms.issuedAt < from || terms.issuedAt > until || addedAt > look.openedAt) {
            revert NotALease(signer);
        }
        uint256 end = _min(terms.expiresAt, uint256(until) + _leaseLifetime);
        if (end < cover.firstEnd) cover.firstEnd = end;
        // A freeze before the proof kept payees from settling: their evidence counts as much longer.
        uint256 frozen = _less(look.frozenUntil, end > look.frozenSince ? end : look.frozenSince);
        if (
            terms.issuedAt > uint256(look.openedAt) + _watchLag || end + claimWindow + frozen < look.openedAt
                || end <= look.released
        ) revert LeaseOutOfTime(terms.issuedAt, terms.expiresAt);
    }

    /// Terminals of a payee in a member list, and of all.
    function _members(bytes calldata lease, uint32 payee) private pure returns (uint256 own, uint256 sum) {
        uint256 previous;
        // At most 255 members.
        for (uint256 at = LEASE_BYTES; at < lease.length; at += MEMBER_BYTES) {
            uint256 member = uint256(uint40(bytes5(lease[at:at + MEMBER_BYTES])));
            uint256 id = member >> 8;
            if (id <= previous) revert NotRising();
            previous = id;
            sum += member & 0xff;
            if (id == payee) own = member & 0xff;
        }
    }

    /// Did the account sign this digest? 64 bytes are a compact signature of a key, anything else is for a contract
    /// account (EIP-1271).
    function _isSignedBy(address account, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (signature.length == 64 && account.code.length == 0) {
            address signer = Signatures.recover(
                digest, uint256(bytes32(signature[:32])), uint256(bytes32(signature[32:]))
            );
            return signer != address(0) && signer == account;
        }
        if (account.code.length == 0) return false;
        try IERC1271(account).isValidSignature(digest, signature) returns (bytes4 answer) {
            return answer == IERC1271.isValidSignature.selector;
        } catch {
            return false;
        }
    }
}

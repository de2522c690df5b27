// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Digests} from "../vault/Digests.sol";
import {Rows} from "../vault/Rows.sol";
import {Leases} from "./Leases.sol";

/// @notice Payees claim a lost bond by what the hub promised them before the sale, and share it when nothing can change
/// any more.
/// @dev Three classes, one after the other: covered by a lease with members; covered by one whose key was revoked, which a
/// thief may have dated back; and what only a lease for any terminal stands behind. Sums are kept a pot, never a list, so
/// nothing here loops over payees. Registering moves no money.
abstract contract Claims is Leases {
    using SafeERC20 for IERC20;

    /// @dev Three slots. Units.
    struct Claim {
        /// Highest top of the vouchers shown; what of them lies on stretches that others paid too; sum of their amounts.
        uint48 top;
        uint48 overlap;
        uint48 shown;
        /// What the leases shown promise; see Cover.
        uint48 good;
        uint48 withRevoked;
        uint48 all;
        uint40 firstEnd;
        bool wide;
        /// What counts in each class.
        uint48 c1;
        uint48 cR;
        uint48 c2;
        /// keccak256 of the leases shown.
        bytes32 leases;
    }

    /// @notice A payee claims so much in each class, on vouchers up to `top`.
    event ShortfallRegistered(
        uint32 indexed channel, uint32 indexed payee, uint48 top, uint48 c1, uint48 cR, uint48 c2
    );
    /// @notice `share` units went to the payee's balance, `raised` of them count as settled on its lane; `drawn` of them
    /// came from the reserve.
    event ShareCollected(uint32 indexed channel, uint32 indexed payee, uint48 share, uint48 raised, uint48 drawn);
    /// @notice The pot is done; `rest` units went to the reserve.
    event PotClosed(uint32 indexed channel, uint48 rest);

    /// @notice No fraud of this channel was proved.
    error NoPot(uint32 channel);
    /// @notice Registering ended then (vault clock).
    error PotIsClosed(uint40 closesAt);
    /// @notice Collecting begins then (vault clock).
    error PotIsOpen(uint40 collectsAt);
    /// @notice Shortfalls wait to be collected first.
    error ClaimsLeft(uint40 claims);
    /// @notice The hub vouched for no terminal of this payee when the fraud was proved.
    error NotAccredited(uint32 payee);
    /// @notice The payee isn't short, or shows no lease that promised it anything.
    error NotShort();
    /// @notice Evidence only raises a claim.
    error LessCover(uint256 cover, uint256 known);
    /// @notice These aren't the leases that the claim was registered with.
    error OtherLeases(bytes32 found, bytes32 known);
    /// @notice This payee has nothing to collect.
    error NoClaim(uint32 channel, uint32 payee);

    mapping(uint32 channel => mapping(uint32 payee => Claim)) internal _claims;

    /// @notice Registers what a payee is short after a proved fraud. Anyone may carry it; better evidence raises it.
    /// @dev Terminals of one payee share a lane, so copies of a payer can each pay the same stretch of it, which its top
    /// doesn't show: vouchers whose opened requests overlap do.
    /// @param evidence header and the payee's vouchers with their requests opened, by what their lane held before each,
    /// then by digest; only the rows' own lane counts
    /// @param leases what the hub promised: by scope, strictly rising; see contracts/README.md
    function registerShortfall(bytes calldata evidence, bytes calldata leases) external nonReentrant {
        (Look memory look, Claim memory shown) = _readEvidence(evidence);
        (uint32 channel, uint32 payee) = (look.channel, look.payee);
        Pot storage pot = _openPot(channel);
        look.terminals = registry.terminalsAt(payee, pot.closesAt - claimWindow);
        if (look.terminals == 0) revert NotAccredited(payee);
        _aim(look, pot);
        Claim memory claim = _load(channel, payee);
        if (claim.top == 0) ++pot.claims;
        if (shown.top > claim.top) claim.top = shown.top;
        if (shown.overlap > claim.overlap) claim.overlap = shown.overlap;
        if (shown.shown > claim.shown) claim.shown = shown.shown;
        if (leases.length != 0) _show(look, pot, claim, leases);
        _save(pot, channel, payee, claim);
        if (uint256(claim.c1) + claim.cR + claim.c2 == 0) revert NotShort();
    }

    /// @notice Lowers a claim to what its lane is short of now and, with the leases it was registered with, to what their
    /// keys count for now. Anyone may, until shares are collected.
    function refreshClaim(uint32 channel, uint32 payee, bytes calldata leases) external nonReentrant {
        Pot storage pot = _countingPot(channel);
        Claim memory claim = _load(channel, payee);
        if (claim.top == 0) revert NoClaim(channel, payee);
        if (leases.length != 0) {
            bytes32 hash = keccak256(leases);
            if (hash != claim.leases) revert OtherLeases(hash, claim.leases);
            (address payer,) = vault.payerOf(channel);
            Look memory look;
            (look.channel, look.payee, look.payer) = (channel, payee, payer);
            look.terminals = registry.terminalsAt(payee, pot.closesAt - claimWindow);
            _aim(look, pot);
            Cover memory cover = _readLeases(look, leases);
            claim.good = uint48(_min(cover.good, MASK48));
        }
        _save(pot, channel, payee, claim);
    }

    /// @notice Brings a payee's statement that it holds nothing more under leases of a channel that ended until then. It
    /// can't claim under them; a claim that shows one loses all its cover.
    /// @param signature 64 bytes, or what the payee's contract account takes
    function releaseLeases(uint32 channel, uint32 payee, uint40 until, bytes calldata signature) external nonReentrant {
        (address account,) = vault.readPayee(payee);
        bytes32 digest = Digests.digest(vault.domainSeparator(), Digests.released(channel, account, until));
        if (account == address(0) || !_isSignedBy(account, digest, signature)) revert NotSignedByPayee(account);
        if (until > _released[channel][payee]) _released[channel][payee] = until;
        emit LeasesReleased(channel, payee, until);
        Claim memory claim = _load(channel, payee);
        if (claim.top == 0 || claim.firstEnd > until) return;
        Pot storage pot = _countingPot(channel);
        (claim.good, claim.withRevoked, claim.all, claim.wide, claim.leases) = (0, 0, 0, false, 0);
        _save(pot, channel, payee, claim);
    }

    /// @notice Pays a payee its share of a pot. Anyone may call it; the last one sends the rest to the reserve.
    function collectShare(uint32 channel, uint32 payee) external nonReentrant {
        Pot storage pot = _collectingPot(channel);
        Claim memory claim = _load(channel, payee);
        if (claim.top == 0) revert NoClaim(channel, payee);
        delete _claims[channel][payee];
        // What settled meanwhile isn't missing any more.
        uint256 raised = _less(claim.top, vault.settled(channel, payee));
        uint256 share = _min(_shareOf(pot, claim), raised + claim.overlap);
        // A lane never settles more than was signed for it: what overlaps goes to the balance alone.
        raised = _min(raised, share);

        uint256 drawn = _less(share, pot.left);
        pot.left -= uint48(share - drawn);
        pot.drawn += uint48(drawn);
        --pot.claims;
        if (drawn != 0) reserve.draw(channel, payee, drawn);
        if (pot.guarantee != 0) {
            reserve.giveRoomBack(channel, payee, pot.guarantee - _drawOf(pot), pot.guarantee);
        }
        if (share != 0) {
            token.safeTransfer(address(vault), share);
            vault.payFromPot(channel, payee, uint48(share), uint48(raised));
        }
        emit ShareCollected(channel, payee, uint48(share), uint48(raised), uint48(drawn));
        if (pot.claims == 0) _sweep(channel, pot);
    }

    /// @notice Sends a pot that nobody claimed to the reserve.
    function closePot(uint32 channel) external nonReentrant {
        Pot storage pot = _collectingPot(channel);
        if (pot.claims != 0) revert ClaimsLeft(pot.claims);
        _sweep(channel, pot);
    }

    /// @notice What a payee registered at a pot and has not collected.
    function readClaim(uint32 channel, uint32 payee) external view returns (Claim memory) {
        return _load(channel, payee);
    }

    /// @notice Vault clock from which the shares of a pot can be collected; 0 when there is none.
    function collectsAt(uint32 channel) external view returns (uint40) {
        uint40 closesAt = _pots[channel].closesAt;
        return closesAt == 0 ? 0 : closesAt + _slowLane;
    }

    // ---- evidence ----

    /// Channel, payee and payer of the vouchers; their highest top, how much of them lies on stretches of the lane that
    /// others paid too, and the sum of what they moved.
    function _readEvidence(bytes calldata evidence) private view returns (Look memory look, Claim memory shown) {
        Rows.Reader memory reader = _readHeader(evidence);
        look.separator = vault.domainSeparator();
        Rows.Row memory row = Rows.make(look.separator);
        Rows.read(row, reader);
        uint256 payee = row.payee;
        look.channel = uint32(row.channel);
        look.payee = uint32(reader.ids[payee]);
        (look.payer,) = vault.payerOf(look.channel);
        uint256 top;
        uint256 overlap;
        uint256 moved;
        uint256 lastBase;
        bytes32 lastDigest;
        // Each round consumes a row's bytes of calldata, which the caller pays for.
        while (true) {
            _checkEvidence(row, look.channel, look.payer);
            uint256 paid = row.paid;
            uint256 base = _less(paid, row.amount);
            if (row.payee != payee || base < lastBase || (base == lastBase && row.digest <= lastDigest)) {
                revert NotRising();
            }
            // All before start at or below this base, so what reaches beyond it covers it from there on.
            if (top > base) overlap += _min(top, paid) - base;
            if (paid > top) top = paid;
            moved += _min(row.amount, paid);
            if (reader.at >= reader.end) break;
            lastBase = base;
            lastDigest = row.digest;
            Rows.read(row, reader);
        }
        shown.top = uint48(top);
        shown.overlap = uint48(_min(overlap, MASK48));
        shown.shown = uint48(_min(moved, MASK48));
    }

    function _aim(Look memory look, Pot storage pot) private view {
        look.bond = pot.bond;
        look.openedAt = pot.openedAt;
        look.frozenSince = pot.frozenSince;
        look.frozenUntil = pot.frozenUntil;
        look.released = _released[look.channel][look.payee];
        look.separator = vault.domainSeparator();
    }

    /// Takes leases into a claim, and has the reserve set aside what the best of them promises beyond the bond.
    function _show(Look memory look, Pot storage pot, Claim memory claim, bytes calldata leases) private {
        Cover memory cover = _readLeases(look, leases);
        if (cover.withRevoked < claim.withRevoked) revert LessCover(cover.withRevoked, claim.withRevoked);
        if (cover.all < claim.all) revert LessCover(cover.all, claim.all);
        claim.good = uint48(_min(cover.good, MASK48));
        claim.withRevoked = uint48(_min(cover.withRevoked, MASK48));
        claim.all = uint48(_min(cover.all, MASK48));
        claim.firstEnd = uint40(cover.firstEnd);
        claim.wide = cover.wide;
        claim.leases = keccak256(leases);
        uint256 more = _less(cover.guarantee, pot.guarantee);
        if (more != 0) pot.guarantee += uint48(reserve.earmark(look.channel, look.payee, more));
    }

    // ---- counting ----

    /// One copy of this code for all who need it.
    function _load(uint32 channel, uint32 payee) private view returns (Claim memory) {
        return _claims[channel][payee];
    }

    /// Works out what a claim counts for now, keeps it and the pot's sums.
    function _save(Pot storage pot, uint32 channel, uint32 payee, Claim memory claim) private {
        uint256 missing = _less(claim.top, vault.settled(channel, payee)) + claim.overlap;
        uint256 short = _min(missing, claim.shown);
        uint256 c1 = _min(_min(short, claim.all), claim.good);
        uint256 cR = _min(_min(short, claim.all), claim.withRevoked) - c1;
        uint256 c2 = claim.wide ? _min(_min(short - c1 - cR, claim.all - c1 - cR), pot.bond) : 0;
        pot.sum1 = uint80(pot.sum1 + c1 - claim.c1);
        pot.sumR = uint80(pot.sumR + cR - claim.cR);
        pot.sum2 = uint80(pot.sum2 + c2 - claim.c2);
        claim.c1 = uint48(c1);
        claim.cR = uint48(cR);
        claim.c2 = uint48(c2);
        _claims[channel][payee] = claim;
        emit ShortfallRegistered(channel, payee, claim.top, claim.c1, claim.cR, claim.c2);
    }

    /// What the reserve gives: only for what good leases promised beyond the bond.
    function _drawOf(Pot storage pot) private view returns (uint256) {
        return _min(pot.guarantee, _less(pot.sum1, pot.bond));
    }

    function _shareOf(Pot storage pot, Claim memory claim) private view returns (uint256) {
        uint256 bond = pot.bond;
        uint256 left1 = _less(bond, pot.sum1);
        uint256 leftR = _less(left1, pot.sumR);
        return _part(claim.c1, bond + _drawOf(pot), pot.sum1) + _part(claim.cR, left1, pot.sumR)
            + _part(claim.c2, leftR, pot.sum2);
    }

    /// `claim` of a class, cut when the class claims more than there is. Rounds down.
    function _part(uint256 claim, uint256 there, uint256 sum) private pure returns (uint256) {
        return sum > there ? claim * there / sum : claim;
    }

    // ---- a pot's life ----

    function _openPot(uint32 channel) private view returns (Pot storage pot) {
        pot = _known(channel);
        if (vault.clock() >= pot.closesAt) revert PotIsClosed(pot.closesAt);
    }

    /// Claims may still fall: registering may be over, collecting hasn't begun.
    function _countingPot(uint32 channel) private view returns (Pot storage pot) {
        pot = _known(channel);
        uint40 end = pot.closesAt + _slowLane;
        if (vault.clock() >= end) revert PotIsClosed(end);
    }

    function _collectingPot(uint32 channel) private view returns (Pot storage pot) {
        pot = _known(channel);
        uint40 begin = pot.closesAt + _slowLane;
        if (vault.clock() < begin) revert PotIsOpen(begin);
    }

    function _known(uint32 channel) private view returns (Pot storage pot) {
        pot = _pots[channel];
        if (pot.closesAt == 0) revert NoPot(channel);
    }

    function _sweep(uint32 channel, Pot storage pot) private {
        uint48 rest = pot.left;
        pot.left = 0;
        if (rest != 0) token.safeTransfer(address(reserve), rest);
        if (pot.guarantee != 0) reserve.endEarmark(channel);
        emit PotClosed(channel, rest);
    }
}

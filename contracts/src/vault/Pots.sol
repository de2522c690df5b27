// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Fraud} from "./Fraud.sol";
import {Lanes} from "./Lanes.sol";
import {Rows} from "./Rows.sol";

/// @notice What becomes of a lost bond: accredited payees register what they are short, and share it.
/// @dev Accreditation must be older than the proof, so that neither a cheater nor a hub can bring in a friend after
/// the fact. What nobody is short goes to the reserve, never back to the owner.
abstract contract Pots is Fraud {
    /// @dev One slot.
    struct Pot {
        /// The bond.
        uint48 amount;
        /// What of it is not paid out yet.
        uint48 left;
        /// Sum of the registered shortfalls.
        uint80 shortfalls;
        /// When registering ends and collecting begins, on the vault's clock.
        uint40 closesAt;
        /// Registered and not collected.
        uint40 claims;
    }

    /// @dev One slot.
    struct Claim {
        /// What the payer signed for the lane.
        uint48 top;
        /// What was missing when it was registered: the lane's top less what it settled, and `overlap`.
        uint48 shortfall;
        /// What copies of the payer were given for the same stretch of the lane; at most the bond.
        uint48 overlap;
    }

    /// @notice A payee is short of `shortfall` units on a lane signed up to `top`; `moved` were still free and settled.
    event ShortfallRegistered(
        uint32 indexed channel, uint32 indexed payee, uint48 top, uint48 shortfall, uint48 moved
    );
    /// @notice `share` units went from the pot to the payee's balance; `raised` of them count as settled on its lane.
    event ShareCollected(uint32 indexed channel, uint32 indexed payee, uint48 share, uint48 raised);
    /// @notice The pot is done; `rest` units went to the reserve.
    event PotClosed(uint32 indexed channel, uint48 rest);
    /// @notice The timelock paid `amount` units from the reserve to a payee's balance.
    event ReservePaid(uint32 indexed payee, uint48 amount);

    /// @notice No fraud of this channel was proved.
    error NoPot(uint32 channel);
    /// @notice Registering ended then (vault clock).
    error PotIsClosed(uint40 closesAt);
    /// @notice Collecting begins then (vault clock).
    error PotIsOpen(uint40 closesAt);
    /// @notice Shortfalls wait to be collected first.
    error ClaimsLeft(uint40 claims);
    /// @notice Only payees that the hub accredited before the proof share a bond.
    error NotAccredited(uint32 payee);
    /// @notice No lease can have covered that much: no honest terminal accepted this voucher.
    error BeyondFunds(uint256 signed, uint256 funds);
    /// @notice The vouchers aren't all of one lane, or not in the order that shows each once.
    error NotRising();
    /// @notice The lane isn't short by more than was registered already.
    error NotShort(uint256 shortfall, uint256 registered);
    /// @notice This payee has nothing to collect.
    error NoClaim(uint32 channel, uint32 payee);
    /// @notice The reserve holds less than that.
    error ReserveTooSmall(uint48 reserve, uint48 amount);

    mapping(uint32 channel => Pot) internal _pots;
    mapping(uint32 channel => mapping(uint32 payee => Claim)) internal _claims;
    uint48 internal _reserve;

    /// @notice Seconds in which shortfalls can be registered: longer than a payee's terminals may be offline.
    function claimWindow() public view returns (uint40) {
        return payeeOfflineMax + claimMargin;
    }

    /// @notice Registers what a payee is short after a proved fraud. Settles first whatever the channel has free.
    /// @dev Anyone may carry it. Terminals of one payee share a lane, so copies of a payer can each pay the same stretch
    /// of it, which its top doesn't show: vouchers whose opened requests overlap do. Better evidence raises the claim.
    /// @param evidence header and the payee's vouchers, by what their lane held before each, then by digest; only the
    /// rows' own lane counts
    function registerShortfall(bytes calldata evidence) external nonReentrant whenNotFrozen {
        Rows.Reader memory reader = _readHeader(evidence);
        Rows.Row memory row = Rows.make(domainSeparator);
        Rows.read(row, reader);
        uint32 channel = uint32(row.channel);
        address payer = _channel(channel).payer;
        uint32 payee = uint32(reader.ids[row.payee]);
        Claim memory claim = _readVouchers(row, reader, payer, _leasable(channel, payee));

        uint256 base = _baseOf(channel, payer);
        uint256 moved;
        {
            uint256 page0;
            assembly ("memory-safe") {
                page0 := sload(base)
            }
            (page0, moved,) = Lanes.raise(base, page0, payee, claim.top);
            assembly ("memory-safe") {
                sstore(base, page0)
            }
        }
        _pay(payee, moved);
        _addClaim(channel, payee, claim, Lanes.settled(base, payee));
        emit ShortfallRegistered(channel, payee, claim.top, claim.shortfall, uint48(moved));
    }

    /// @notice Pays a payee its share of a pot. Anyone may call it; the last one sends the rest to the reserve.
    function collectShare(uint32 channel, uint32 payee) external nonReentrant whenNotFrozen {
        Pot storage pot = _closed(channel);
        Claim memory claim = _claims[channel][payee];
        if (claim.shortfall == 0) revert NoClaim(channel, payee);
        delete _claims[channel][payee];

        uint256 share = claim.shortfall;
        if (pot.shortfalls > pot.amount) share = share * pot.amount / pot.shortfalls;
        // A late credit may have let the lane settle meanwhile; then less, or nothing, is missing.
        uint256 base = _baseOf(channel, _channels[channel].payer);
        uint256 raised = _less(claim.top, Lanes.settled(base, payee));
        if (share > raised + claim.overlap) share = raised + claim.overlap;
        // A lane never settles more than was signed for it: what overlaps goes to the balance alone.
        if (raised > share) raised = share;

        pot.left -= uint48(share);
        --pot.claims;
        if (raised != 0) Lanes.raiseFrom(base, payee, raised);
        _pay(payee, share);
        emit ShareCollected(channel, payee, uint48(share), uint48(raised));
        if (pot.claims == 0) _sweep(channel, pot);
    }

    /// @notice Sends a pot that nobody claimed to the reserve.
    function closePot(uint32 channel) external nonReentrant whenNotFrozen {
        Pot storage pot = _closed(channel);
        if (pot.claims != 0) revert ClaimsLeft(pot.claims);
        _sweep(channel, pot);
    }

    /// @notice Pays a payee from the reserve, for harm that no bond covered. The reserve is never anybody's deposit.
    function payFromReserve(uint32 payee, uint48 amount) external onlyTimelock {
        if (payee == 0 || payee > _payeeCount) revert UnknownPayee(payee);
        if (amount > _reserve) revert ReserveTooSmall(_reserve, amount);
        _reserve -= amount;
        _pay(payee, amount);
        emit ReservePaid(payee, amount);
    }

    /// @notice The pot of a channel, all zero when no fraud was proved. Amounts in units.
    function readPot(uint32 channel) external view returns (Pot memory) {
        return _pots[channel];
    }

    /// @notice What a payee registered at a pot and has not collected.
    function readClaim(uint32 channel, uint32 payee) external view returns (Claim memory) {
        return _claims[channel][payee];
    }

    /// @notice Units in the reserve.
    function reserve() external view returns (uint48) {
        return _reserve;
    }

    function _openPot(uint32 channel, uint48 bond) internal override returns (uint40 closesAt) {
        closesAt = clock() + claimWindow();
        _pots[channel] = Pot({amount: bond, left: bond, shortfalls: 0, closesAt: closesAt, claims: 0});
    }

    /// What a lease can have covered, when this payee may claim now: deposit + credits - bond. The bond is what the
    /// pot began with.
    function _leasable(uint32 channel, uint32 payee) private view returns (uint256) {
        Pot storage pot = _pots[channel];
        uint40 closesAt = pot.closesAt;
        if (closesAt == 0) revert NoPot(channel);
        if (clock() >= closesAt) revert PotIsClosed(closesAt);
        uint256 accreditedAt = uint40(_payees[payee] >> ACCREDITED_SHIFT);
        if (accreditedAt == 0 || accreditedAt >= closesAt - claimWindow()) revert NotAccredited(payee);
        Channel storage found = _channels[channel];
        return uint256(found.deposited) + found.credited - pot.amount;
    }

    /// Highest top of the vouchers shown, and how much of them lies on stretches of the lane that others paid too.
    function _readVouchers(Rows.Row memory row, Rows.Reader memory reader, address payer, uint256 leasable)
        private
        view
        returns (Claim memory claim)
    {
        uint256 channel = row.channel;
        uint256 payee = row.payee;
        uint256 top;
        uint256 overlap;
        uint256 lastBase;
        bytes32 lastDigest;
        // Each round consumes a row's bytes of calldata, which the caller pays for.
        while (true) {
            _checkEvidence(row, uint32(channel), payer);
            uint256 paid = row.paid;
            // An honest payer's lanes never exceed its `spent`; a cheater may sign anything, so both are bounded.
            if (paid > leasable) revert BeyondFunds(paid, leasable);
            if (row.spent > leasable) revert BeyondFunds(row.spent, leasable);
            uint256 base = _less(paid, row.amount);
            if (row.payee != payee || base < lastBase || (base == lastBase && row.digest <= lastDigest)) {
                revert NotRising();
            }
            // All before start at or below this base, so what reaches beyond it covers it from there on.
            if (top > base) overlap += (top < paid ? top : paid) - base;
            if (paid > top) top = paid;
            if (reader.at >= reader.end) break;
            lastBase = base;
            lastDigest = row.digest;
            Rows.read(row, reader);
        }
        // The bond is what rule 10 lets copies take; without this bound a friendly payee could thin out all others.
        uint256 most = _pots[uint32(channel)].amount;
        claim.top = uint48(top);
        claim.overlap = uint48(overlap < most ? overlap : most);
    }

    /// Fills in the claim's shortfall.
    function _addClaim(uint32 channel, uint32 payee, Claim memory claim, uint256 settledNow) private {
        uint48 known = _claims[channel][payee].shortfall;
        uint256 shortfall = _less(claim.top, settledNow) + claim.overlap;
        if (shortfall <= known) revert NotShort(shortfall, known);
        Pot storage pot = _pots[channel];
        pot.shortfalls += uint80(shortfall - known);
        if (known == 0) ++pot.claims;
        // Credits can make what was signed and the bond together wider than an amount.
        if (shortfall > MASK48) revert BeyondFunds(shortfall, MASK48);
        claim.shortfall = uint48(shortfall);
        _claims[channel][payee] = claim;
    }

    function _closed(uint32 channel) private view returns (Pot storage pot) {
        pot = _pots[channel];
        uint40 closesAt = pot.closesAt;
        if (closesAt == 0) revert NoPot(channel);
        if (clock() < closesAt) revert PotIsOpen(closesAt);
    }

    function _sweep(uint32 channel, Pot storage pot) private {
        uint48 rest = pot.left;
        pot.left = 0;
        _reserve += rest;
        emit PotClosed(channel, rest);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Fraud} from "./Fraud.sol";
import {Lanes} from "./Lanes.sol";
import {Reasons} from "./Reasons.sol";
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
        /// What was missing when it was registered.
        uint48 shortfall;
    }

    /// @notice A payee is short of `shortfall` units on a lane signed up to `top`; `moved` were still free and settled.
    event ShortfallRegistered(
        uint32 indexed channel, uint32 indexed payee, uint48 top, uint48 shortfall, uint48 moved
    );
    /// @notice `share` units went from the pot to the payee's balance and count as settled on its lane.
    event ShareCollected(uint32 indexed channel, uint32 indexed payee, uint48 share);
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
    /// @dev Anyone may carry it. Registering a higher voucher of the same lane raises the claim.
    /// @param evidence header and one row: the payee's best voucher; only the row's own lane counts
    function registerShortfall(bytes calldata evidence) external nonReentrant whenNotFrozen {
        Rows.Reader memory reader = _readHeader(evidence);
        Rows.Row memory row = Rows.make(domainSeparator);
        Rows.read(row, reader);
        if (reader.at != reader.end) revert Rows.TruncatedRow(reader.at);
        if (row.fault != Reasons.APPLIED) revert BadEvidence(row.fault);
        uint32 channel = uint32(row.channel);
        Channel storage found = _channel(channel);
        if (row.signer != found.payer) revert NotOfThisPayer(channel, row.signer);
        uint32 payee = uint32(reader.ids[row.payee]);
        // An honest payer's lanes never exceed its `spent`; a cheater may sign anything, so both are bounded.
        uint256 most = row.paid > row.spent ? row.paid : row.spent;
        _checkClaim(channel, payee, most, uint256(found.deposited) + found.credited);

        uint256 base = _baseOf(channel, found.payer);
        uint256 moved;
        {
            uint256 page0;
            assembly ("memory-safe") {
                page0 := sload(base)
            }
            (page0, moved,) = Lanes.raise(base, page0, payee, row.paid);
            assembly ("memory-safe") {
                sstore(base, page0)
            }
        }
        _pay(payee, moved);
        uint48 shortfall = _addClaim(channel, payee, row.paid, Lanes.settled(base, payee));
        emit ShortfallRegistered(channel, payee, uint48(row.paid), shortfall, uint48(moved));
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
        uint256 settledNow = Lanes.settled(base, payee);
        uint256 missing = claim.top > settledNow ? claim.top - settledNow : 0;
        if (share > missing) share = missing;

        pot.left -= uint48(share);
        --pot.claims;
        if (share != 0) {
            Lanes.raiseFrom(base, payee, share);
            _pay(payee, share);
        }
        emit ShareCollected(channel, payee, uint48(share));
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

    function _checkClaim(uint32 channel, uint32 payee, uint256 signed, uint256 funds) private view {
        Pot storage pot = _pots[channel];
        uint40 closesAt = pot.closesAt;
        if (closesAt == 0) revert NoPot(channel);
        if (clock() >= closesAt) revert PotIsClosed(closesAt);
        uint256 accreditedAt = uint40(_payees[payee] >> ACCREDITED_SHIFT);
        if (accreditedAt == 0 || accreditedAt >= closesAt - claimWindow()) revert NotAccredited(payee);
        // A lease never exceeds deposit + credits - bond, and the bond is what the pot began with.
        if (signed > funds - pot.amount) revert BeyondFunds(signed, funds - pot.amount);
    }

    function _addClaim(uint32 channel, uint32 payee, uint256 top, uint256 settledNow) private returns (uint48) {
        Claim memory claim = _claims[channel][payee];
        uint256 shortfall = top > settledNow ? top - settledNow : 0;
        if (shortfall <= claim.shortfall) revert NotShort(shortfall, claim.shortfall);
        Pot storage pot = _pots[channel];
        pot.shortfalls += uint80(shortfall - claim.shortfall);
        if (claim.shortfall == 0) ++pot.claims;
        _claims[channel][payee] = Claim({top: uint48(top), shortfall: uint48(shortfall)});
        return uint48(shortfall);
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

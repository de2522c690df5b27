// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What became of one row of a batch. A row that can't be applied is skipped and named, and the batch goes on.
/// @dev The numbers are part of the event format; a new reason gets a new number, none is ever reused.
library Reasons {
    /// Money moved as the row asked. The only other reason with money moved is PARTLY.
    uint256 internal constant APPLIED = 0;
    /// The lane was raised by all that was free, which is less than the row asked.
    uint256 internal constant PARTLY = 1;
    /// The signature recovers to no key, is high-S, or P-256 says no.
    uint256 internal constant BAD_SIGNATURE = 2;
    /// The recovered signer has no channel with this number: a forged or altered row, or one of another vault.
    uint256 internal constant UNKNOWN_SIGNER = 3;
    /// The lane is already settled at or above this amount: a replay, or an older voucher.
    uint256 internal constant STALE = 4;
    /// The channel has nothing free.
    uint256 internal constant NO_FUNDS = 5;
    /// A statement's lanes add up to more than its `spent`.
    uint256 internal constant LIST_ABOVE_SPENT = 6;
    /// Hashing the preimage k times doesn't give the anchor.
    uint256 internal constant BAD_PREIMAGE = 7;
    /// More ticks than signed, or more than a stream may have.
    uint256 internal constant BAD_TICKS = 8;
    /// A sum leaves 48 bits.
    uint256 internal constant OVERFLOW = 9;
    /// The opened request doesn't hash to the voucher's `request`.
    uint256 internal constant BAD_OPENING = 10;
    /// The credit isn't signed by the payee of the voucher.
    uint256 internal constant BAD_PAYEE_SIGNATURE = 11;
    /// The credit is above the amount of its voucher.
    uint256 internal constant CREDIT_ABOVE_AMOUNT = 12;
    /// The lane isn't settled up to the voucher yet: settle it first.
    uint256 internal constant NOT_SETTLED = 13;
    /// As much was already credited on this voucher: a replay, or an older credit.
    uint256 internal constant CREDIT_STALE = 14;
    /// The lane's credits would exceed what the lane ever settled.
    uint256 internal constant CREDIT_ABOVE_LANE = 15;
    /// The payee's balance is too small now; the same row may be sent again later.
    uint256 internal constant PAYEE_SHORT = 16;
    /// Only a registered settler's rows and rows with the hub's acknowledgement settle at once: announce the batch.
    uint256 internal constant SLOW_LANE = 17;
    /// The acknowledgement isn't one of this row by a key of the hub that counts.
    uint256 internal constant BAD_ACKNOWLEDGEMENT = 18;
}

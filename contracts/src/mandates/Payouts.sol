// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {Digests} from "../vault/Digests.sol";
import {MandatesBase} from "./MandatesBase.sol";

/// @notice Payees' money on their word: withdrawals that anybody carries, and payouts that go to one place for ever.
abstract contract Payouts is MandatesBase {
    /// @notice Whatever the payee takes out goes to `recipient` from now on.
    event PayoutFixed(uint32 indexed payee, address indexed recipient);

    /// @notice The payee's money goes there and nowhere else (zero: it isn't fixed).
    error PayoutIsFixed(address recipient);
    /// @notice The signed withdrawal counted until then (chain time).
    error WithdrawalOver(uint40 deadline);
    /// @notice Not the payee's signature over this withdrawal with its present nonce.
    error NotThePayees(uint32 nonce);
    /// @notice The fee is more than what is taken out.
    error FeeTooLarge(uint48 fee, uint48 amount);

    /// @notice Where all money of a payee goes; zero when the payee says so each time.
    mapping(uint32 payee => address recipient) public payoutOf;
    /// @notice Nonce of a payee's next signed withdrawal.
    mapping(uint32 payee => uint32 nonce) public nonceOf;

    /// @notice Carries a withdrawal that the payee signed; anyone may, for the fee that the payee names.
    /// @dev Withdrawal(uint32 payee,address to,uint48 amount,uint48 fee,uint32 nonce,uint40 deadline) in the vault's
    /// domain, by the payee's key or contract (ERC-1271). Each nonce counts once, in order.
    /// @param amount units that leave the balance, the fee among them
    /// @param fee units of `amount` that go to the caller
    /// @param deadline last second of chain time in which it counts
    function withdrawFor(
        uint32 payee,
        address to,
        uint48 amount,
        uint48 fee,
        uint40 deadline,
        bytes calldata signature
    ) external {
        if (block.timestamp > deadline) revert WithdrawalOver(deadline);
        if (fee > amount) revert FeeTooLarge(fee, amount);
        address fixed_ = payoutOf[payee];
        if (fixed_ != address(0) && to != fixed_) revert PayoutIsFixed(fixed_);
        uint32 nonce = nonceOf[payee]++;
        (address account,) = vault.readPayee(payee);
        bytes32 digest = Digests.digest(
            vault.domainSeparator(), Digests.withdrawal(payee, to, amount, fee, nonce, deadline)
        );
        if (!SignatureChecker.isValidSignatureNow(account, digest, signature)) revert NotThePayees(nonce);
        vault.withdrawFor(payee, to, amount - fee);
        if (fee != 0) vault.withdrawFor(payee, msg.sender, fee);
    }

    /// @notice Fixes where the caller's money goes, for ever: to a split, for instance, so that neither side of a site
    /// can take the other's share. From then on anyone may send it there (payOut).
    /// @param payee the caller's id
    function fixPayout(uint32 payee, address recipient) external {
        (address account,) = vault.readPayee(payee);
        if (msg.sender != account) revert NotAllowed(msg.sender, account);
        if (recipient == address(0)) revert ZeroAddress();
        if (payoutOf[payee] != address(0)) revert PayoutIsFixed(payoutOf[payee]);
        payoutOf[payee] = recipient;
        vault.sealPayout(payee);
        emit PayoutFixed(payee, recipient);
    }

    /// @notice Sends the whole balance of a payee whose payout is fixed. Anyone may.
    /// @return amount units sent
    function payOut(uint32 payee) external returns (uint48 amount) {
        address recipient = payoutOf[payee];
        if (recipient == address(0)) revert PayoutIsFixed(recipient);
        (, amount) = vault.readPayee(payee);
        if (amount != 0) vault.withdrawFor(payee, recipient, amount);
    }
}

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

    /// @notice The caller registered with a rate already: the first stands.
    error FeeAgreed(uint8 rate);
    /// @notice More than FEE_RATE_MAX, or nothing.
    error WrongRate(uint8 rate);

    /// @notice The most that a payee can leave to whoever submits its batches, in ten-thousandths.
    uint8 public constant FEE_RATE_MAX = 100;
    /// @dev Terms as the vault keeps them: see MandatesDoor.TermsAgreed.
    uint8 private constant SEALED = 1;

    /// @notice Part of what is settled for a payee that goes to whoever submits it, in ten-thousandths; zero when the payee
    /// agreed to none.
    mapping(uint32 payee => uint8 rate) public feeRateOf;
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

    /// @notice Registers the caller as a payee that leaves `rate` ten-thousandths of what is settled for it to whoever submits
    /// it: so that somebody does, when no hub settles. Only the payee itself says so, and once; whom others registered may.
    /// @dev The submitter must be a payee, too: the fee goes into its balance.
    /// @return payee the caller's id
    function registerWithFee(uint8 rate) external returns (uint32 payee) {
        if (rate == 0 || rate > FEE_RATE_MAX) revert WrongRate(rate);
        payee = vault.registerPayee(msg.sender);
        if (feeRateOf[payee] != 0) revert FeeAgreed(feeRateOf[payee]);
        feeRateOf[payee] = rate;
        vault.agree(payee, rate << 1);
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
        vault.agree(payee, SEALED);
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

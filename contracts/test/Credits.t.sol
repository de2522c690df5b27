// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Reasons} from "../src/vault/Reasons.sol";
import {Kit} from "./Kit.sol";

/// @notice A credit's life: given once, by the payee, within its voucher, with a dishonest payer or payee.
contract CreditsTest is Kit {
    uint32 private channel;
    uint256 private constant SECURE_ELEMENT = (1 << 201) + 7;

    function setUp() public {
        build();
        channel = openFor(PAYER);
    }

    function tap(uint32 seq, uint48 amount, uint48 paid) private view returns (Message memory) {
        return opened(plain(channel, seq, paid, 0, paid), amount);
    }

    function test_aCreditMovesMoneyBackOnce() public {
        expect(tap(1, 400, 400), Reasons.APPLIED, 400, "paid");
        Message memory given = credit(tap(1, 400, 400), 400, 150);
        expect(given, Reasons.APPLIED, 150, "credited");
        same(free(channel), FUNDS - 250, "free");
        same(balance(0), 250, "balance");
        same(vault.creditOf(digestOf(given)), 150, "stored");
        same(vault.laneCredited(channel, id(0)), 150, "stored on the lane");
        same(vault.readChannel(channel).credited, 150, "stored on the channel");
        same(vault.settled(channel, id(0)), 400, "the lane stays");
        expect(given, Reasons.CREDIT_STALE, 0, "replay");
        conserved();
    }

    /// Every row stands for itself: what follows a credit is settled, not credited.
    function test_aRowBehindACreditIsSettled() public {
        expect(tap(1, 400, 400), Reasons.APPLIED, 400, "paid");
        Message memory next = plain(channel, 2, 470, 1, 70);
        next.kind = LANES;
        next.lanes = bytes16(keccak256("a list"));
        Outcome[] memory outcomes = settle(batch(credit(tap(1, 400, 400), 400, 150), next));
        same(outcomes[0].moved, 150, "credited");
        same(outcomes[1].reason, Reasons.APPLIED, "settled");
        same(outcomes[1].moved, 70, "and paid");
        same(balance(1), 70, "to its payee");
    }

    function test_aCreditGrowsUpToItsVoucher() public {
        expect(tap(1, 400, 400), Reasons.APPLIED, 400, "paid");
        expect(credit(tap(1, 400, 400), 400, 150), Reasons.APPLIED, 150, "first");
        expect(credit(tap(1, 400, 400), 400, 400), Reasons.APPLIED, 250, "grows");
        expect(credit(tap(1, 400, 400), 400, 399), Reasons.CREDIT_STALE, 0, "falls");
        expect(credit(tap(1, 400, 400), 400, 401), Reasons.CREDIT_ABOVE_AMOUNT, 0, "above the voucher");
        same(free(channel), FUNDS, "all back");
        conserved();
    }

    /// The payee can't have both: its gross voucher settles no second time after a credit.
    function test_thePayeeCannotReplayTheGrossVoucher() public {
        expect(tap(1, 400, 400), Reasons.APPLIED, 400, "paid");
        expect(credit(tap(1, 400, 400), 400, 400), Reasons.APPLIED, 400, "credited");
        expect(tap(1, 400, 400), Reasons.STALE, 0, "gross voucher again");
        same(balance(0), 0, "balance");
    }

    function test_aCreditWaitsForItsVoucher() public {
        Message memory given = credit(tap(1, 400, 400), 400, 150);
        expect(given, Reasons.NOT_SETTLED, 0, "nothing settled");
        expect(tap(0, 399, 399), Reasons.APPLIED, 399, "almost");
        expect(given, Reasons.NOT_SETTLED, 0, "not up to its top");
        Outcome[] memory outcomes = settle(batch(tap(1, 400, 400), given));
        same(outcomes[0].moved, 1, "paid in the same batch");
        same(outcomes[1].moved, 150, "then credited");
    }

    function test_onlyThePayeesOwnSignatureCounts() public {
        expect(tap(1, 400, 400), Reasons.APPLIED, 400, "paid");
        Message memory given = credit(tap(1, 400, 400), 400, 150);
        bytes memory row = rowOf(given);
        row[row.length - 40] ^= 0x01;
        same(
            settle(bytes.concat(header(), row))[0].reason, Reasons.BAD_PAYEE_SIGNATURE, "an altered signature"
        );
        // The credited amount is signed too.
        row = rowOf(given);
        row[row.length - 65] ^= 0x01;
        same(settle(bytes.concat(header(), row))[0].reason, Reasons.BAD_PAYEE_SIGNATURE, "an altered amount");
        same(balance(0), 400, "nothing moved");
    }

    /// A batch may be a stranger's: who carries it signs nothing in it.
    function test_aPayeeThatSubmitsABatchSignsNoCredit() public {
        Message memory given = credit(tap(1, 400, 400), 400, 150);
        expect(tap(1, 400, 400), Reasons.APPLIED, 400, "paid");
        bytes memory row = rowOf(given);
        for (uint256 i = row.length - 64; i < row.length; ++i) {
            row[i] = 0;
        }
        vm.prank(payeeAt(0));
        same(settle(bytes.concat(header(), row))[0].reason, Reasons.BAD_PAYEE_SIGNATURE, "the payee submits");
        same(balance(0), 400, "nothing went back");
    }

    /// A contract account has no key: it consents to a credit in words of its own.
    function test_aPayeeConsentsToACreditInTheVault() public {
        Message memory given = credit(tap(1, 400, 400), 400, 150);
        expect(tap(1, 400, 400), Reasons.APPLIED, 400, "paid");
        bytes memory row = rowOf(given);
        for (uint256 i = row.length - 64; i < row.length; ++i) {
            row[i] = 0;
        }
        vm.prank(payeeAt(1));
        vault.consentToCredit(digestOf(given), 150);
        same(settle(bytes.concat(header(), row))[0].reason, Reasons.BAD_PAYEE_SIGNATURE, "another payee's consent");
        vm.prank(payeeAt(0));
        vault.consentToCredit(digestOf(given), 149);
        same(settle(bytes.concat(header(), row))[0].reason, Reasons.BAD_PAYEE_SIGNATURE, "less than the credit");
        vm.prank(payeeAt(0));
        vault.consentToCredit(digestOf(given), 150);
        same(settle(bytes.concat(header(), row))[0].moved, 150, "consented");
        same(settle(bytes.concat(header(), row))[0].reason, Reasons.CREDIT_STALE, "once");
    }

    function test_theOpenedRequestMustBeTheVouchers() public {
        expect(tap(1, 400, 400), Reasons.APPLIED, 400, "paid");
        bytes memory row = rowOf(credit(tap(1, 400, 400), 400, 150));
        // amount of the opening
        row[119 + 25] ^= 0x01;
        same(settle(bytes.concat(header(), row))[0].reason, Reasons.BAD_OPENING, "another amount");
        row[119 + 25] ^= 0x01;
        // every part of the opening is bound
        for (uint256 i = 119; i < 119 + 63; i += 6) {
            row[i] ^= 0x80;
            same(settle(bytes.concat(header(), row))[0].reason, Reasons.BAD_OPENING, "another opening");
            row[i] ^= 0x80;
        }
        same(settle(bytes.concat(header(), row))[0].moved, 150, "unaltered");
    }

    /// A credit of another channel's voucher, or of one the payer never signed, finds no purse.
    function test_aCreditNeedsThePayersVoucher() public {
        expect(tap(1, 400, 400), Reasons.APPLIED, 400, "paid");
        Message memory given = credit(tap(1, 400, 400), 400, 150);
        given.key = 0xbad;
        expect(given, Reasons.UNKNOWN_SIGNER, 0, "not the payer's");
        given = credit(plain(channel + 1, 1, 400, 0, 400), 400, 150);
        expect(given, Reasons.UNKNOWN_SIGNER, 0, "another channel");
    }

    /// A payee that took its money out can't be debited; the same row goes through later.
    function test_aPayeeThatIsShortIsRetried() public {
        expect(tap(1, 400, 400), Reasons.APPLIED, 400, "paid");
        vm.prank(payeeAt(0));
        vault.withdraw(id(0), payeeAt(0), 300);
        Message memory given = credit(tap(1, 400, 400), 400, 150);
        expect(given, Reasons.PAYEE_SHORT, 0, "short");
        same(vault.creditOf(digestOf(given)), 0, "nothing stored");
        // What arrives in the same batch counts.
        Outcome[] memory outcomes = settle(batch(tap(2, 50, 450), given));
        same(outcomes[1].reason, Reasons.APPLIED, "retried");
        same(balance(0), 0, "to the last unit");
        conserved();
    }

    /// A dishonest payer signs many vouchers over the same amounts, and a dishonest payee credits them all: together
    /// they can't give back more than the lane ever settled, so no other channel's money refills this one.
    function test_creditsStayWithinWhatTheLaneSettled() public {
        uint32 other = openFor(0xb0b);
        Message memory rich = plain(other, 1, 500_000, 0, 500_000);
        rich.key = 0xb0b;
        expect(rich, Reasons.APPLIED, 500_000, "the payee earns elsewhere");
        expect(tap(1, 400, 400), Reasons.APPLIED, 400, "paid");
        expect(credit(tap(1, 400, 400), 400, 400), Reasons.APPLIED, 400, "all of it");
        for (uint32 seq = 2; seq < 6; ++seq) {
            expect(credit(tap(seq, 400, 400), 400, 1), Reasons.CREDIT_ABOVE_LANE, 0, "invented voucher");
        }
        same(free(channel), FUNDS, "not a unit more than was deposited");
        same(balance(0), 500_000, "the payee's other money");
        // What is paid again can be credited again.
        expect(tap(9, 100, 500), Reasons.APPLIED, 100, "paid again");
        expect(credit(tap(9, 100, 500), 100, 100), Reasons.APPLIED, 100, "credited again");
        conserved();
    }

    function test_aVoidedVoucherGivesAllBack() public {
        expect(tap(1, 400, 400), Reasons.APPLIED, 400, "paid");
        // Void of a tap of 60 whose numbers stay: a later voucher pays for both, the credit gives the 60 back.
        expect(tap(3, 10, 470), Reasons.APPLIED, 70, "the newer voucher includes the void");
        expect(credit(tap(2, 60, 460), 60, 60), Reasons.APPLIED, 60, "void");
        same(balance(0), 410, "what was bought");
        same(free(channel), FUNDS - 410, "what was spent");
    }

    function test_creditOnAStream() public {
        Message memory message = plain(channel, 2, 1000, 0, 100);
        message.kind = STREAM;
        message.seed = keccak256("seed");
        message.tickValue = 10;
        message.ticks = 20;
        message.k = 7;
        // A stream's request asks for nothing; its credit is bounded by the ticks shown.
        expect(opened(message, 0), Reasons.APPLIED, 170, "seven ticks");
        expect(credit(message, 0, 71), Reasons.CREDIT_ABOVE_AMOUNT, 0, "more than the ticks");
        expect(credit(message, 0, 70), Reasons.APPLIED, 70, "all ticks");
        conserved();
    }

    function test_creditOnALanesVoucherAndByASecureElement() public {
        uint32 secure = openFor(SECURE_ELEMENT);
        Message memory message = plain(secure, 1, 400, 0, 400);
        message.kind = LANES;
        message.lanes = bytes16(uint128(9));
        message.key = SECURE_ELEMENT;
        message = opened(message, 400);
        expect(message, Reasons.APPLIED, 400, "paid");
        expect(credit(message, 400, 5), Reasons.APPLIED, 5, "credited");
        same(free(secure), FUNDS - 395, "free");
    }

    /// The channel's total of credits can't leave 48 bits, however often the same money goes round.
    function test_creditsNeverOverflow() public {
        uint48 huge = type(uint48).max - DEPOSIT;
        uint32 whale = vault.open(OWNER, vm.addr(0x3a1e), huge, huge / 4);
        uint48 funds = huge - huge / 4;
        for (uint16 payee = 0; payee < 2; ++payee) {
            Message memory paid = opened(plain(whale, 1, funds, payee, funds), funds);
            paid.key = 0x3a1e;
            expect(paid, Reasons.APPLIED, funds, "paid");
            Message memory given = credit(paid, funds, funds);
            if (payee == 0) expect(given, Reasons.APPLIED, funds, "credited");
            else expect(given, Reasons.OVERFLOW, 0, "would overflow");
            // To the last of the 48 bits it still goes.
            uint48 room = type(uint48).max - funds;
            if (payee == 1) expect(credit(paid, funds, room), Reasons.APPLIED, room, "just fits");
        }
        conserved();
    }
}

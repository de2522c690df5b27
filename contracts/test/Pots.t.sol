// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Fraud} from "../src/vault/Fraud.sol";
import {HubRegistry} from "../src/vault/HubRegistry.sol";
import {Pots} from "../src/vault/Pots.sol";
import {Reasons} from "../src/vault/Reasons.sol";
import {Rows} from "../src/vault/Rows.sol";
import {VaultBase} from "../src/vault/VaultBase.sol";
import {Kit} from "./Kit.sol";

/// @notice Who gets a lost bond.
contract PotsTest is Kit {
    uint32 private channel;

    function setUp() public {
        build();
        channel = openFor(PAYER);
        for (uint16 i = 0; i < 3; ++i) {
            vm.prank(OPERATOR);
            vault.accredit(id(i), true);
        }
        vm.warp(block.timestamp + 1);
    }

    /// A duplicated payer: three terminals took FUNDS each, only one lane finds money.
    function cheat(uint48 a, uint48 b) private {
        vault.settle(batch(plain(channel, 1, FUNDS, 2, FUNDS)));
        vault.proveFraud(1, batch(plain(channel, 1, a, 0, a), plain(channel, 1, b, 1, b)));
    }

    function claim(uint16 payee, uint48 paid) private {
        vault.registerShortfall(batch(plain(channel, 1, paid, payee, paid)));
    }

    function collect(uint16 payee) private returns (uint48) {
        uint48 before = balance(payee);
        vault.collectShare(channel, id(payee));
        conserved();
        return balance(payee) - before;
    }

    function test_harmedPayeesShareProRata() public {
        cheat(300_000, 100_000);
        claim(0, 300_000);
        claim(1, 100_000);
        same(vault.readPot(channel).shortfalls, 400_000, "shortfalls");
        vm.expectPartialRevert(Pots.PotIsOpen.selector);
        vault.collectShare(channel, id(0));
        vm.expectPartialRevert(Pots.PotIsOpen.selector);
        vault.closePot(channel);
        vm.warp(block.timestamp + 9 days);
        same(collect(0), 150_000, "three quarters");
        vm.expectPartialRevert(Pots.ClaimsLeft.selector);
        vault.closePot(channel);
        same(collect(1), 50_000, "a quarter");
        same(vault.reserve(), 0, "nothing left");
        vm.expectPartialRevert(Pots.NoClaim.selector);
        vault.collectShare(channel, id(1));
        same(vault.settled(channel, id(0)), 150_000, "counts as settled");
    }

    function test_theRestGoesToTheReserveNotToTheOwner() public {
        cheat(30_000, 100_000);
        claim(0, 30_000);
        vm.warp(block.timestamp + 9 days);
        same(collect(0), 30_000, "all of it");
        same(vault.reserve(), BOND - 30_000, "the rest");
        vm.prank(OWNER);
        vault.startExit(channel, address(0));
        vm.warp(block.timestamp + 14 days);
        vault.finishExit(channel);
        same(token.balanceOf(OWNER), 0, "nothing for the owner");
        conserved();
    }

    function test_aPotThatNobodyClaimsGoesToTheReserve() public {
        vm.expectPartialRevert(Pots.NoPot.selector);
        vault.closePot(channel);
        cheat(1, 2);
        vm.warp(block.timestamp + 9 days);
        vault.closePot(channel);
        same(vault.reserve(), BOND, "reserve");
        vault.closePot(channel);
        same(vault.reserve(), BOND, "once");
        conserved();
    }

    function test_theWindowIsLongerThanATerminalIsOffline() public {
        cheat(1, 2);
        same(vault.readPot(channel).closesAt, block.timestamp + 9 days, "window");
        vm.warp(block.timestamp + 9 days - 1);
        claim(0, 100);
        vm.warp(block.timestamp + 1);
        bytes memory late = batch(plain(channel, 1, 200, 0, 200));
        vm.expectPartialRevert(Pots.PotIsClosed.selector);
        vault.registerShortfall(late);
    }

    function test_freezeStopsTheWindow() public {
        cheat(1, 2);
        vm.prank(GUARDIAN);
        vault.freeze(7 days);
        bytes memory evidence = batch(plain(channel, 1, 100, 0, 100));
        vm.expectPartialRevert(VaultBase.Frozen.selector);
        vault.registerShortfall(evidence);
        vm.warp(block.timestamp + 7 days + 9 days - 1);
        vault.registerShortfall(evidence);
    }

    function test_onlyPayeesAccreditedBeforeTheProofShare() public {
        uint32 late = vault.registerPayee(payeeAt(3));
        vm.prank(OPERATOR);
        vault.accredit(id(2), false);
        cheat(100, 200);
        vm.prank(OPERATOR);
        vault.accredit(id(0), true);
        vm.startPrank(OPERATOR);
        vault.accredit(late, true);
        vm.stopPrank();
        bytes memory evidence = batch(plain(channel, 1, 100, 0, 100));
        // Accredited anew in the second of the proof: too late.
        vm.expectPartialRevert(Pots.NotAccredited.selector);
        vault.registerShortfall(evidence);
        claim(1, 200);
    }

    function test_notAccreditedPayeesDoNotShare() public {
        vm.prank(OPERATOR);
        vault.accredit(id(0), false);
        cheat(100, 200);
        bytes memory evidence = batch(plain(channel, 1, 100, 0, 100));
        vm.expectPartialRevert(Pots.NotAccredited.selector);
        vault.registerShortfall(evidence);
    }

    /// A cheater and its friend can't dilute the pot with vouchers that no lease ever covered.
    function test_noClaimBeyondTheChannelsFunds() public {
        cheat(100, 200);
        bytes memory evidence = batch(plain(channel, 1, FUNDS + 1, 0, FUNDS + 1));
        vm.expectPartialRevert(Pots.BeyondFunds.selector);
        vault.registerShortfall(evidence);
        // Neither `spent` nor `paid` alone may be beyond it.
        evidence = batch(plain(channel, 1, 1, 0, FUNDS + 1));
        vm.expectPartialRevert(Pots.BeyondFunds.selector);
        vault.registerShortfall(evidence);
        evidence = batch(plain(channel, 1, FUNDS + 1, 0, 1));
        vm.expectPartialRevert(Pots.BeyondFunds.selector);
        vault.registerShortfall(evidence);
        claim(0, FUNDS);
    }

    function test_aClaimGrowsWithABetterVoucherOnly() public {
        cheat(100, 200);
        claim(0, 100);
        bytes memory same_ = batch(plain(channel, 1, 100, 0, 100));
        vm.expectPartialRevert(Pots.NotShort.selector);
        vault.registerShortfall(same_);
        claim(0, 150);
        same(vault.readPot(channel).shortfalls, 150, "raised, not added");
        same(vault.readPot(channel).claims, 1, "one claim");
        same(vault.readClaim(channel, id(0)).shortfall, 150, "claim");
        vm.warp(block.timestamp + 9 days);
        same(collect(0), 150, "share");
    }

    /// What the channel still has free is settled first; only the rest is short.
    function test_freeMoneyIsTakenFirst() public {
        vault.settle(batch(plain(channel, 1, FUNDS - 40, 2, FUNDS - 40)));
        vault.proveFraud(1, batch(plain(channel, 1, 1, 0, 1), plain(channel, 1, 1, 1, 1)));
        claim(0, 100);
        same(balance(0), 40, "settled");
        same(vault.readClaim(channel, id(0)).shortfall, 60, "short");
        conserved();
    }

    function test_nobodyIsShortWhileMoneyIsFree() public {
        vault.proveFraud(1, batch(plain(channel, 1, 1, 0, 1), plain(channel, 1, 1, 1, 1)));
        bytes memory evidence = batch(plain(channel, 1, 100, 0, 100));
        vm.expectPartialRevert(Pots.NotShort.selector);
        vault.registerShortfall(evidence);
        same(balance(0), 0, "and nothing moved");
    }

    /// A late credit frees money, the lane settles, and the share shrinks to what is still missing.
    function test_nobodyIsPaidTwice() public {
        Message memory paid = opened(plain(channel, 1, FUNDS, 2, FUNDS), FUNDS);
        vault.settle(batch(paid));
        vault.proveFraud(1, batch(plain(channel, 1, 100, 0, 100), plain(channel, 1, 100, 1, 100)));
        claim(0, 100);
        claim(1, 50);
        vault.settle(batch(credit(paid, FUNDS, 130), plain(channel, 1, 100, 0, 100), plain(channel, 1, 30, 1, 30)));
        same(balance(0), 100, "settled from the credit");
        vm.warp(block.timestamp + 9 days);
        same(collect(0), 0, "nothing is missing");
        same(collect(1), 20, "what is missing");
        same(vault.reserve(), BOND - 20, "the rest");
    }

    function test_evidenceOfAShortfall() public {
        bytes memory evidence = batch(plain(channel, 1, 100, 0, 100));
        vm.expectPartialRevert(Pots.NoPot.selector);
        vault.registerShortfall(evidence);
        cheat(100, 200);
        evidence = batch(plain(channel, 1, 100, 0, 100), plain(channel, 1, 100, 1, 100));
        vm.expectPartialRevert(Pots.NotRising.selector);
        vault.registerShortfall(evidence);
        Message memory forged = plain(channel, 1, 100, 0, 100);
        forged.key = 0xbad;
        evidence = batch(forged);
        vm.expectPartialRevert(Fraud.NotOfThisPayer.selector);
        vault.registerShortfall(evidence);
        evidence = bytes.concat(header(), rowOf(plain(channel, 1, 100, 0, 100), new bytes(64)));
        vm.expectRevert(abi.encodeWithSelector(Fraud.BadEvidence.selector, Reasons.BAD_SIGNATURE));
        vault.registerShortfall(evidence);
    }

    /// Two tills of one merchant share a lane; a copy paid the same stretch at each.
    function test_copiesAtTillsOfOnePayeeAreMadeGood() public {
        Message memory a = opened(plain(channel, 1, 90_000, 0, 90_000), 90_000);
        Message memory b = opened(plain(channel, 2, 90_000, 0, 90_000), 90_000);
        vault.settle(batch(a, b));
        vault.proveFraud(2, batch(a, b));
        vault.registerShortfall(digestOf(a) < digestOf(b) ? batch(a, b) : batch(b, a));
        same(vault.readClaim(channel, id(0)).shortfall, 90_000, "one of the two");
        same(vault.readClaim(channel, id(0)).overlap, 90_000, "overlap");
        vm.warp(block.timestamp + 9 days);
        same(collect(0), 90_000, "made good");
        same(vault.settled(channel, id(0)), 90_000, "no more than was signed for the lane");
        same(vault.reserve(), BOND - 90_000, "the rest");
    }

    /// Short of the top and of an overlap: the lane is raised first, and only by what is missing there.
    function test_aShareRaisesTheLaneOnlyToItsTop() public {
        Message memory paid = opened(plain(channel, 9, FUNDS - 20_000, 2, FUNDS - 20_000), FUNDS);
        vault.settle(batch(paid));
        Message memory a = opened(plain(channel, 1, 50_000, 0, 50_000), 50_000);
        Message memory b = opened(plain(channel, 2, 60_000, 0, 60_000), 30_000);
        vault.proveFraud(2, batch(a, b));
        vault.registerShortfall(batch(a, b));
        same(balance(0), 20_000, "what was free");
        same(vault.readClaim(channel, id(0)).shortfall, 60_000, "40,000 to the top, 20,000 twice");
        vault.settle(batch(credit(paid, FUNDS, 10_000), plain(channel, 3, 30_000, 0, 30_000)));
        vm.warp(block.timestamp + 9 days);
        same(collect(0), 50_000, "30,000 to the top, 20,000 twice");
        same(vault.settled(channel, id(0)), 60_000, "the top");
    }

    function test_aThinShareRaisesTheLaneFirst() public {
        vault.settle(batch(plain(channel, 9, FUNDS, 2, FUNDS)));
        Message memory a = opened(plain(channel, 1, 150_000, 0, 150_000), 150_000);
        Message memory b = opened(plain(channel, 2, 150_000, 0, 150_000), 50_000);
        vault.proveFraud(2, batch(a, b));
        vault.registerShortfall(batch(a, b));
        claim(1, 200_000);
        vm.warp(block.timestamp + 9 days);
        same(collect(0), 100_000, "half of 200,000");
        same(vault.settled(channel, id(0)), 100_000, "all of it counts as settled");
    }

    /// A friendly payee can't thin out the others with what no bond covers.
    function test_overlapsClaimAtMostTheBond() public {
        Message memory a = opened(plain(channel, 1, FUNDS, 0, FUNDS), FUNDS);
        Message memory b = opened(plain(channel, 2, FUNDS, 0, FUNDS), BOND - 1);
        Message memory c = opened(plain(channel, 3, FUNDS, 0, FUNDS), 3);
        vault.settle(batch(a));
        vault.proveFraud(2, batch(a, b));
        vault.registerShortfall(batch(a, b));
        same(vault.readClaim(channel, id(0)).shortfall, BOND - 1, "all");
        vault.registerShortfall(batch(a, b, c));
        same(vault.readClaim(channel, id(0)).shortfall, BOND, "the bond");
    }

    /// A voucher that begins and ends within an earlier one counts twice, and takes nothing from the lane's top.
    function test_aLaneCountsToItsHighestWhateverComesLast() public {
        Message memory a = opened(plain(channel, 1, 500, 0, 500), 500);
        Message memory b = opened(plain(channel, 2, 500, 0, 300), 100);
        Message memory c = opened(plain(channel, 3, 500, 0, 450), 50);
        vault.settle(batch(plain(channel, 9, FUNDS, 2, FUNDS)));
        vault.proveFraud(2, batch(a, b));
        vault.registerShortfall(batch(a, b, c));
        same(vault.readClaim(channel, id(0)).top, 500, "top");
        same(vault.readClaim(channel, id(0)).overlap, 150, "both of them");
    }

    /// Each voucher once, all of one lane, by where they begin: then nothing counts twice by being shown twice.
    function test_vouchersAreShownOnceAndInOrder() public {
        Message memory a = opened(plain(channel, 1, 500, 0, 500), 500);
        Message memory b = opened(plain(channel, 2, 500, 0, 500), 400);
        Message memory other = opened(plain(channel, 3, 500, 1, 500), 400);
        vault.settle(batch(a));
        vault.proveFraud(2, batch(a, b));
        bytes[3] memory wrong = [batch(a, a), batch(b, a), batch(a, other)];
        for (uint256 i = 0; i < wrong.length; ++i) {
            vm.expectRevert(Pots.NotRising.selector);
            vault.registerShortfall(wrong[i]);
        }
        Message memory twin = opened(plain(channel, 4, 500, 0, 500), 500);
        bool rising = digestOf(a) < digestOf(twin);
        vm.expectRevert(Pots.NotRising.selector);
        vault.registerShortfall(rising ? batch(twin, a) : batch(a, twin));
        vault.registerShortfall(rising ? batch(a, twin) : batch(twin, a));
        same(vault.readClaim(channel, id(0)).overlap, 500, "twins");
    }

    /// A request that isn't opened moves nothing, which only ever helps the payer.
    function test_unopenedVouchersDontOverlap() public {
        Message memory a = plain(channel, 1, 500, 0, 500);
        Message memory b = plain(channel, 2, 600, 0, 600);
        vault.settle(batch(b));
        vault.proveFraud(2, batch(opened(plain(channel, 2, 500, 0, 500), 500), opened(plain(channel, 1, 500, 0, 500), 500)));
        bytes memory evidence = batch(a, b);
        vm.expectPartialRevert(Pots.NotShort.selector);
        vault.registerShortfall(evidence);
        // Nor does an opened one before them lend them its amount.
        evidence = batch(opened(plain(channel, 1, 500, 0, 500), 500), b);
        vm.expectPartialRevert(Pots.NotShort.selector);
        vault.registerShortfall(evidence);
    }

    function test_ticksOverlapToo() public {
        Message memory a = opened(plain(channel, 1, 500, 0, 500), 500);
        Message memory b = plain(channel, 2, 100, 0, 100);
        b.kind = STREAM;
        b.seed = keccak256("seed");
        b.tickValue = 50;
        b.ticks = 10;
        b.k = 3;
        vault.settle(batch(a));
        vault.proveFraud(2, batch(a, b));
        vault.registerShortfall(batch(a, b));
        same(vault.readClaim(channel, id(0)).overlap, 150, "three ticks");
    }

    /// What counts as an amount stays one, whatever credits made possible.
    function test_aClaimIsAnAmount() public {
        uint48 all = uint48(2 ** 48 - 1) - DEPOSIT;
        token.approve(address(vault), type(uint256).max);
        uint48 bond = uint48(vault.bondNeeded(all));
        channel = vault.open(OWNER, signerOf(PAYER), all, bond);
        uint48 funds = all - bond;
        Message memory paid = opened(plain(channel, 1, funds, 2, funds), funds);
        vault.settle(batch(paid));
        vault.settle(batch(credit(paid, funds, funds)));
        vault.settle(batch(plain(channel, 2, funds, 1, funds)));
        uint48 most = uint48(2 ** 48 - 1);
        Message memory a = opened(plain(channel, 3, most, 0, most), 5);
        Message memory b = opened(plain(channel, 4, most, 0, most), 4);
        vault.proveFraud(2, batch(a, b));
        bytes memory evidence = batch(a, b);
        vm.expectRevert(abi.encodeWithSelector(Pots.BeyondFunds.selector, uint256(most) + 4, uint256(most)));
        vault.registerShortfall(evidence);
        claim(0, most);
    }

    /// The sum over all vouchers less what they cover together, however they lie.
    function testFuzz_overlapIsWhatWasPaidMoreThanOnce(uint256 seed) public {
        Message[3] memory shown;
        uint256[3] memory bases;
        bool[64] memory covered;
        uint256 sum;
        uint256 union;
        for (uint256 i = 0; i < 3; ++i) {
            bases[i] = (seed >> (16 * i)) % 32;
            uint48 amount = uint48((seed >> (16 * i + 8)) % 32);
            uint48 top = uint48(bases[i]) + amount;
            shown[i] = opened(plain(channel, uint32(i) + 1, top, 0, top), amount);
            sum += amount;
            for (uint256 at = bases[i]; at < top; ++at) {
                if (!covered[at]) ++union;
                covered[at] = true;
            }
        }
        // Into the order asked for.
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = 0; j + 1 < 3; ++j) {
                if (bases[j] < bases[j + 1]) continue;
                if (bases[j] == bases[j + 1] && digestOf(shown[j]) < digestOf(shown[j + 1])) continue;
                (bases[j], bases[j + 1]) = (bases[j + 1], bases[j]);
                (shown[j], shown[j + 1]) = (shown[j + 1], shown[j]);
            }
        }
        vault.settle(batch(plain(channel, 9, FUNDS, 2, FUNDS)));
        vault.proveFraud(1, batch(plain(channel, 1, 1, 0, 1), plain(channel, 1, 1, 1, 1)));
        bytes memory evidence = batch(shown[0], shown[1], shown[2]);
        if (shown[0].paid == 0 && shown[1].paid == 0 && shown[2].paid == 0) {
            vm.expectPartialRevert(Pots.NotShort.selector);
            vault.registerShortfall(evidence);
            return;
        }
        vault.registerShortfall(evidence);
        same(vault.readClaim(channel, id(0)).overlap, sum - union, "overlap");
    }

    function test_theReserveOnlyPaysPayeesAndOnlyByTheTimelock() public {
        cheat(1, 2);
        vm.warp(block.timestamp + 9 days);
        vault.closePot(channel);
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.payFromReserve(id(0), 10);
        vm.startPrank(address(timelock));
        vault.payFromReserve(id(0), 10);
        vm.expectPartialRevert(VaultBase.UnknownPayee.selector);
        vault.payFromReserve(0, 10);
        vm.expectPartialRevert(VaultBase.UnknownPayee.selector);
        vault.payFromReserve(4, 10);
        vault.payFromReserve(3, 1);
        vm.expectPartialRevert(Pots.ReserveTooSmall.selector);
        vault.payFromReserve(id(0), BOND - 10);
        vault.payFromReserve(id(0), BOND - 11);
        vm.stopPrank();
        same(balance(0), BOND - 1, "paid");
        same(vault.reserve(), 0, "reserve");
        conserved();
    }

    /// Rounding never pays out more than the pot holds.
    function testFuzz_sharesStayWithinThePot(uint48 a, uint48 b, uint48 c) public {
        uint48[3] memory tops = [a % (FUNDS / 3) + 1, b % (FUNDS / 3) + 1, c % (FUNDS / 3) + 1];
        vault.registerPayee(payeeAt(3));
        bytes memory head =
            abi.encodePacked(uint8(1), uint16(4), uint32(1), uint32(2), uint32(3), uint32(4));
        vault.settle(bytes.concat(head, rowOf(plain(channel, 1, FUNDS, 3, FUNDS))));
        vault.proveFraud(1, batch(plain(channel, 1, 1, 0, 1), plain(channel, 1, 1, 1, 1)));
        uint256 sum;
        for (uint16 i = 0; i < 3; ++i) {
            claim(i, tops[i]);
            sum += tops[i];
        }
        vm.warp(block.timestamp + 9 days);
        uint256 paid;
        for (uint16 i = 0; i < 3; ++i) {
            uint48 share = collect(i);
            paid += share;
            same(share, sum > BOND ? uint256(tops[i]) * BOND / sum : tops[i], "pro rata, rounded down");
        }
        same(vault.reserve(), BOND - paid, "dust and rest");
        same(vault.readPot(channel).left, 0, "empty");
    }
}

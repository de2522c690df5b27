// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Reserve} from "../src/Reserve.sol";
import {Kit} from "./Kit.sol";

/// @notice The reserve by itself: who puts in and leaves, what is set aside and within which bounds. The pots' calls are made in
/// their name. Not looked at here: what pots make of it (Pots.t.sol), shares' arithmetic (OpenZeppelin's own tests).
contract ReserveTest is Kit {
    uint256 private constant ASSETS = 2_000_000;
    uint48 private constant PAYEE_MOST = 100_000;
    address private constant SECOND = address(0x222);

    function setUp() public {
        build();
        vm.prank(OPERATOR);
        registry.accredit(id(0), 1);
        token.approve(address(reserve), ASSETS);
        reserve.deposit(ASSETS, address(this));
        vm.warp(block.timestamp + 400 days);
    }

    function earmark(uint32 channel, uint16 payee, uint256 amount) private returns (uint256) {
        vm.prank(address(pots));
        return reserve.earmark(channel, id(payee), amount);
    }

    function test_theTimeToLeaveIsTheSumOfAllThatMayStillBeClaimed() public {
        same(reserve.leaveDelay(), 72 hours + 2 hours + 2 * (7 days + 48 hours) + 48 hours + 48 hours, "leave delay");
    }

    /// Shares that left are gone: those of the others are worth what they were.
    function test_whoLeavesTakesItsSharesAlong() public {
        token.transfer(SECOND, 1_000_000);
        vm.prank(SECOND);
        token.approve(address(reserve), 1_000_000);
        vm.prank(SECOND);
        uint256 shares = reserve.deposit(1_000_000, SECOND);
        uint256 before = reserve.totalSupply();
        vm.prank(SECOND);
        reserve.askToLeave(shares);
        vm.warp(block.timestamp + reserve.leaveDelay());
        vm.prank(SECOND);
        same(reserve.redeem(shares, SECOND, SECOND), 1_000_000, "what it put in");
        same(reserve.totalSupply(), before - shares, "gone");
        same(reserve.convertToAssets(reserve.balanceOf(address(this))), ASSETS, "worth what it was");
    }

    function test_whatAPotLeavesIsFreeAgain() public {
        same(earmark(7, 0, 40_000), 40_000, "set aside");
        same(earmark(8, 0, 10_000), 10_000, "for another one");
        same(reserve.earmarked(), 50_000, "both");
        vm.prank(address(pots));
        reserve.endEarmark(7);
        same(reserve.earmarked(), 10_000, "the other's");
        same(reserve.earmarkOf(7), 0, "none");
        vm.prank(address(pots));
        reserve.endEarmark(7);
        same(reserve.earmarked(), 10_000, "once");
    }

    /// A question for nothing begins no year.
    function test_nothingIsSetAsideInSilence() public {
        same(earmark(7, 0, 0), 0, "nothing");
        vm.warp(block.timestamp + 100 days);
        same(earmark(7, 0, PAYEE_MOST), PAYEE_MOST, "all of its room");
        vm.warp(block.timestamp + 300 days);
        same(reserve.roomOf(id(0)), 0, "its year began with what was set aside");
    }

    function test_aYearOfAPayeeEndsToTheSecond() public {
        uint256 begun = block.timestamp;
        same(earmark(7, 0, 60_000), 60_000, "set aside");
        vm.warp(begun + 365 days - 1);
        same(reserve.roomOf(id(0)), 40_000, "of this year");
        vm.warp(begun + 365 days);
        same(reserve.roomOf(id(0)), PAYEE_MOST, "the next year");
        same(earmark(8, 0, 10_000), 10_000, "in its first second");
        same(reserve.roomOf(id(0)), PAYEE_MOST - 10_000, "and of that year");
    }

    /// What a pot doesn't draw counts against its payee no more, by the part of the whole; only for its own channel.
    function test_roomComesBackByThePartThatIsNotDrawn() public {
        same(earmark(7, 0, 60_000), 60_000, "set aside");
        same(earmark(8, 0, 20_000), 20_000, "for another one");
        same(reserve.roomOf(id(0)), 20_000, "used");
        vm.prank(address(pots));
        reserve.giveRoomBack(7, id(0), 30_000, 120_000);
        same(reserve.roomOf(id(0)), 35_000, "a quarter of it came back");
        vm.prank(address(pots));
        reserve.giveRoomBack(7, id(0), 30_000, 120_000);
        same(reserve.roomOf(id(0)), 35_000, "once");
    }

    /// The first request's time says nothing of a second one; whoever stays has none.
    function test_askingAgainBeginsAnewAndStayingEndsIt() public {
        uint256 shares = reserve.balanceOf(address(this));
        reserve.askToLeave(shares / 2);
        same(reserve.maxRedeem(address(this)), 0, "not before its time");
        vm.warp(block.timestamp + reserve.leaveDelay() - 1);
        same(reserve.maxRedeem(address(this)), 0, "not a second before");
        (, uint40 first) = reserve.leavingOf(address(this));
        same(first, vault.clock() + 1, "ready then");
        reserve.askToLeave(shares / 4);
        (uint256 leaving, uint40 again) = reserve.leavingOf(address(this));
        same(leaving, shares / 2 + shares / 4, "both");
        same(again, vault.clock() + reserve.leaveDelay(), "anew");
        vm.warp(block.timestamp + reserve.leaveDelay());
        same(reserve.maxRedeem(address(this)), leaving, "due");
        reserve.stay();
        (leaving, again) = reserve.leavingOf(address(this));
        same(leaving, 0, "nothing leaves");
        same(again, 0, "at no time");
        same(reserve.maxRedeem(address(this)), 0, "nor later");
        same(reserve.balanceOf(address(this)), shares, "all are its own again");
    }

    /// What was taken out is asked for no more.
    function test_sharesLeaveOnce() public {
        uint256 shares = reserve.balanceOf(address(this));
        reserve.askToLeave(shares / 2);
        vm.warp(block.timestamp + reserve.leaveDelay());
        reserve.redeem(shares / 8, address(this), address(this));
        (uint256 leaving,) = reserve.leavingOf(address(this));
        same(leaving, shares / 2 - shares / 8, "less what left");
        same(reserve.maxRedeem(address(this)), leaving, "and no more of it");
        // Another one's shares wait in the reserve, too: they are not to be had.
        token.transfer(SECOND, 1_000_000);
        vm.startPrank(SECOND);
        token.approve(address(reserve), 1_000_000);
        reserve.askToLeave(reserve.deposit(1_000_000, SECOND));
        vm.stopPrank();
        vm.expectRevert();
        reserve.redeem(leaving + 1, address(this), address(this));
        reserve.redeem(leaving, address(this), address(this));
        same(reserve.maxRedeem(address(this)), 0, "all of it");
    }

    /// In a window an eighth, whoever it is for; in its last second what was set aside counts, a second later nothing.
    function test_aWindowHasAnEighthToTheSecond() public {
        vm.startPrank(OPERATOR);
        registry.accredit(id(1), 1);
        registry.accredit(id(2), 1);
        vm.stopPrank();
        vm.warp(block.timestamp + 400 days);
        uint256 begun = block.timestamp;
        same(earmark(7, 0, PAYEE_MOST), PAYEE_MOST, "a twentieth");
        same(earmark(7, 1, PAYEE_MOST), PAYEE_MOST, "and another");
        same(earmark(7, 2, PAYEE_MOST), 50_000, "up to an eighth");
        same(earmark(8, 2, PAYEE_MOST), 0, "no more");
        vm.warp(begun + 9 days - 1);
        same(earmark(8, 2, PAYEE_MOST), 0, "nor in its last second");
        vm.warp(begun + 9 days);
        same(earmark(8, 2, 20_000), 20_000, "in the first of the next");
        vm.warp(begun + 18 days - 1);
        same(earmark(8, 2, PAYEE_MOST), 30_000, "its year's rest, within the window");
        same(ASSETS / 8, 250_000, "an eighth");
    }

    /// Thirty days without room, from the hour that it counts, and then from nothing.
    function test_aNewPayeeWaitsToTheSecond() public {
        vm.prank(OPERATOR);
        registry.accredit(id(1), 1);
        uint256 since = (vault.clock() / 1 hours + 1) * 1 hours;
        vm.warp(since);
        same(registry.accreditedSince(id(1)), since, "from its hour on");
        vm.warp(since + 30 days - 1);
        same(reserve.roomOf(id(1)), 0, "not yet");
        vm.warp(since + 30 days);
        same(reserve.roomOf(id(1)), 0, "from nothing");
        vm.warp(since + 30 days + 335 days / 2);
        same(reserve.roomOf(id(1)), PAYEE_MOST / 2, "half of it in half of the time");
        same(reserve.roomOf(id(2)), 0, "nobody vouched for this one");
    }

    /// Whoever is allowed to move shares may not take them out for their owner.
    function test_onlyTheOwnerTakesItsSharesOut() public {
        uint256 shares = reserve.balanceOf(address(this));
        reserve.approve(STRANGER, shares);
        reserve.askToLeave(shares / 2);
        vm.warp(block.timestamp + reserve.leaveDelay());
        bytes memory why = abi.encodeWithSelector(Reserve.NotAllowed.selector, STRANGER, address(this));
        vm.prank(STRANGER);
        vm.expectRevert(why);
        reserve.redeem(shares / 2, STRANGER, address(this));
        vm.prank(STRANGER);
        vm.expectRevert(why);
        reserve.withdraw(1, STRANGER, address(this));
        same(token.balanceOf(STRANGER), 0, "nothing");
    }

    /// Without anything set aside there is nothing to end, and nobody is told of an end.
    function test_whereNothingIsSetAsideNothingEnds() public {
        vm.recordLogs();
        vm.startPrank(address(pots));
        reserve.endEarmark(7);
        reserve.giveRoomBack(7, id(0), 0, 0);
        vm.stopPrank();
        same(vm.getRecordedLogs().length, 0, "silence");
        same(reserve.roomOf(id(0)), PAYEE_MOST, "all of its room");
    }

    function test_aWindowCountsInLargeSums() public {
        uint256 more = 2 ** 40;
        token.approve(address(reserve), more);
        reserve.deposit(more, address(this));
        vm.startPrank(OPERATOR);
        registry.accredit(id(1), 1);
        registry.accredit(id(2), 1);
        vm.stopPrank();
        vm.warp(block.timestamp + 400 days);
        uint256 room = (ASSETS + more) / 20;
        same(earmark(7, 0, room), room, "a twentieth");
        same(earmark(7, 1, room), room, "and another");
        same(earmark(7, 2, room), (ASSETS + more) / 8 - 2 * room, "up to an eighth");
    }

    function test_whatIsSetAsideStaysWhoeverLeaves() public {
        earmark(7, 0, PAYEE_MOST);
        uint256 shares = reserve.balanceOf(address(this));
        reserve.askToLeave(shares);
        vm.warp(block.timestamp + reserve.leaveDelay());
        vm.expectRevert(abi.encodeWithSelector(Reserve.SetAside.selector, 0, PAYEE_MOST));
        reserve.redeem(shares, address(this), address(this));
        reserve.withdraw(ASSETS - PAYEE_MOST, address(this), address(this));
        same(token.balanceOf(address(reserve)), PAYEE_MOST, "what is set aside");
    }

    function test_onlyThePotsTakeFromIt() public {
        earmark(7, 0, 40_000);
        bytes memory why = abi.encodeWithSelector(Reserve.NotAllowed.selector, STRANGER, address(pots));
        vm.prank(STRANGER);
        vm.expectRevert(why);
        reserve.earmark(7, id(0), 1);
        vm.prank(STRANGER);
        vm.expectRevert(why);
        reserve.draw(7, id(0), 1);
        vm.prank(STRANGER);
        vm.expectRevert(why);
        reserve.giveRoomBack(7, id(0), 1, 1);
        vm.prank(STRANGER);
        vm.expectRevert(why);
        reserve.endEarmark(7);
    }

    /// All of it in amounts of more than 32 bits.
    function test_largeSums() public {
        uint256 more = 2 ** 40;
        token.approve(address(reserve), more);
        reserve.deposit(more, address(this));
        uint256 room = (ASSETS + more) / 20;
        same(reserve.roomOf(id(0)), room, "a twentieth");
        uint256 half = room / 2;
        holds(half > type(uint32).max, "large");
        same(earmark(7, 0, half), half, "set aside");
        same(reserve.roomOf(id(0)), room - half, "used");
        same(reserve.earmarked(), half, "in all");
        same(reserve.earmarkOf(7), half, "for its pot");
        vm.prank(address(pots));
        reserve.draw(7, id(0), half - 1);
        same(token.balanceOf(address(pots)), half - 1, "drawn");
        same(reserve.earmarked(), 1, "left");
        vm.prank(address(pots));
        reserve.giveRoomBack(7, id(0), half, half);
        same(reserve.roomOf(id(0)), (ASSETS + more - (half - 1)) / 20, "all of its room");
        vm.prank(address(pots));
        reserve.endEarmark(7);
        same(reserve.earmarked(), 0, "free");
    }
}

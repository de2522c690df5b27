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

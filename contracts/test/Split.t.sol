// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Split} from "../src/Split.sol";
import {IPayouts} from "../src/split/IPayouts.sol";
import {Splits} from "../src/Splits.sol";
import {Reasons} from "../src/vault/Reasons.sol";
import {Kit} from "./Kit.sol";

/// @notice A token that refuses one receiver.
contract Picky is ERC20 {
    address public refused;

    constructor() ERC20("Picky", "P") {
        _mint(msg.sender, 1e12);
    }

    function refuse(address account) external {
        refused = account;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        require(to != refused, "not to you");
        return super.transfer(to, amount);
    }
}

/// @notice A token that asks the split again while it is being sent.
contract Eager is ERC20 {
    Split public split;
    bool private _asks;

    constructor() ERC20("Eager", "E") {
        _mint(msg.sender, 1e12);
    }

    function aim(Split split_) external {
        split = split_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (address(split) != address(0) && !_asks) {
            _asks = true;
            try split.release(to) {} catch {}
            try split.releaseAll(IPayouts(address(0)), 0) {} catch {}
            _asks = false;
        }
        return super.transfer(to, amount);
    }
}

/// @notice Revenue shares. Not looked at here: tokens that take a fee or change balances by themselves.
contract SplitTest is Kit {
    address private constant SITE = address(0x517e);
    address private constant HOST = address(0x4057);
    address private constant THIRD = address(0x333);
    Splits private splits;

    function setUp() public {
        build();
        splits = Splits(create(codeOf("SPLITS", type(Splits).creationCode)));
    }

    function share(address a, uint16 partsA, address b, uint16 partsB)
        private
        pure
        returns (Split.Share[] memory list)
    {
        list = new Split.Share[](2);
        list[0] = Split.Share(a, partsA);
        list[1] = Split.Share(b, partsB);
    }

    function make(Split.Share[] memory list) private returns (Split) {
        return Split(splits.make(IERC20(address(token)), list, 0));
    }

    function test_oneCallTakesAPayeesMoneyToEverybody() public {
        Split split = make(share(SITE, 7000, HOST, 3000));
        uint32 channel = openFor(PAYER);
        expect(plain(channel, 1, 1001, 0, 1001), Reasons.APPLIED, 1001, "earned");
        vm.prank(payeeAt(0));
        mandates.fixPayout(id(0), address(split));
        vm.prank(STRANGER);
        same(split.releaseAll(IPayouts(address(mandates)), id(0)), 1000, "sent");
        same(token.balanceOf(SITE), 700, "site");
        same(token.balanceOf(HOST), 300, "operator");
        same(token.balanceOf(address(split)), 1, "what rounding left");
        expect(plain(channel, 2, 1010, 0, 1010), Reasons.APPLIED, 9, "more");
        same(split.releaseAll(IPayouts(address(mandates)), id(0)), 10, "with the dust");
        same(token.balanceOf(SITE), 707, "site");
        same(token.balanceOf(HOST), 303, "operator");
        conserved();
    }

    function test_eachTakesItsOwnWheneverItLikes() public {
        Split split = make(share(SITE, 2500, HOST, 7500));
        token.transfer(address(split), 1000);
        same(split.release(SITE), 250, "site");
        same(split.release(SITE), 0, "once");
        token.transfer(address(split), 400);
        same(split.release(HOST), 1050, "operator");
        same(split.release(SITE), 100, "site's part of the rest");
        same(split.release(STRANGER), 0, "nobody else");
        same(token.balanceOf(address(split)), 0, "all gone");
    }

    function test_oneWhoRefusesHoldsUpNobody() public {
        Picky picky = new Picky();
        Split split = Split(splits.make(IERC20(address(picky)), share(SITE, 5000, HOST, 5000), 0));
        picky.transfer(address(split), 100);
        picky.refuse(SITE);
        same(split.releaseAll(IPayouts(address(0)), 0), 50, "the other one's");
        same(split.owed(SITE), 50, "kept");
        vm.expectRevert();
        split.release(SITE);
        picky.refuse(address(0));
        same(split.release(SITE), 50, "later");
    }

    function test_aTokenThatAsksAgainIsPaidOnce() public {
        Eager eager = new Eager();
        Split split = Split(splits.make(IERC20(address(eager)), share(SITE, 5000, HOST, 5000), 0));
        eager.transfer(address(split), 100);
        eager.aim(split);
        same(split.release(SITE), 50, "one");
        same(eager.balanceOf(SITE), 50, "once");
        same(split.releaseAll(IPayouts(address(0)), 0), 50, "the other");
        same(eager.balanceOf(SITE), 50, "still once");
        same(eager.balanceOf(HOST), 50, "once as well");
        same(split.owedInAll(), 0, "nothing is owed");
    }

    function test_whoIsOwedNothingIsSentNothing() public {
        Picky picky = new Picky();
        Split split = Split(splits.make(IERC20(address(picky)), share(SITE, 5000, HOST, 5000), 0));
        picky.refuse(SITE);
        same(split.release(SITE), 0, "no transfer, no refusal");
    }

    function test_aDivisionOfSomethingIsSaid() public {
        Split split = make(share(SITE, 5000, HOST, 5000));
        token.transfer(address(split), 100);
        vm.expectEmit(address(split));
        emit Split.Divided(100);
        split.releaseAll(IPayouts(address(0)), 0);
    }

    function test_whatIsSentIsNeverMoreThanWhatCame(uint16 parts, uint48 first, uint48 second) public {
        vm.assume(parts > 0 && parts < 10_000);
        first = first % 1e12;
        second = second % 1e12;
        Split split = make(share(SITE, parts, HOST, 10_000 - parts));
        token.transfer(address(split), first);
        split.release(SITE);
        token.transfer(address(split), second);
        split.releaseAll(IPayouts(address(0)), 0);
        uint256 all = uint256(first) + second;
        uint256 site = token.balanceOf(SITE);
        // What the first division left over is divided again: a unit of the other side may come along.
        holds(site <= (all * parts) / 10_000 + 1, "never above its part");
        // Each of two divisions may leave a unit a share behind, and the last one divides what the first left.
        holds(site + 2 >= (all * parts) / 10_000, "nor much below");
        same(site + token.balanceOf(HOST) + token.balanceOf(address(split)), all, "nothing is lost");
        holds(token.balanceOf(address(split)) < 2, "dust");
    }

    function test_sharesThatDontAddUpAreRefused() public {
        IERC20 token_ = IERC20(address(token));
        vm.expectRevert(Split.WrongShares.selector);
        splits.make(token_, share(SITE, 7000, HOST, 2999), 0);
        vm.expectRevert(Split.WrongShares.selector);
        splits.make(token_, share(SITE, 10_000, HOST, 0), 0);
        vm.expectRevert(Split.WrongShares.selector);
        splits.make(token_, share(SITE, 5000, SITE, 5000), 0);
        vm.expectRevert(Split.WrongShares.selector);
        splits.make(token_, share(SITE, 5000, address(0), 5000), 0);
        vm.expectRevert(Split.WrongShares.selector);
        splits.make(token_, new Split.Share[](0), 0);
        vm.expectRevert(Split.WrongShares.selector);
        splits.make(token_, many(17), 0);
    }

    function many(uint16 count) private pure returns (Split.Share[] memory list) {
        list = new Split.Share[](count);
        for (uint16 i = 0; i < count; ++i) {
            list[i] = Split.Share(address(uint160(0x1000 + i)), 10_000 / count);
        }
        list[0].parts += 10_000 % count;
    }

    function test_aSplitOfSixteenPaysThemAll() public {
        Split split = make(many(16));
        token.transfer(address(split), 16_000);
        same(split.releaseAll(IPayouts(address(0)), 0), 16_000, "all");
        same(split.shares().length, 16, "as they were fixed");
    }

    function test_theSameSplitStandsOnceWhereItWasNamed() public {
        Split.Share[] memory list = share(SITE, 1, HOST, 9999);
        address named = splits.addressOf(IERC20(address(token)), list, "salt");
        same(named.code.length, 0, "not there yet");
        same(splits.make(IERC20(address(token)), list, "salt"), named, "where it was named");
        same(splits.make(IERC20(address(token)), list, "salt"), named, "the same again");
        list[0].account = THIRD;
        holds(splits.addressOf(IERC20(address(token)), list, "salt") != named, "other shares, other place");
    }
}

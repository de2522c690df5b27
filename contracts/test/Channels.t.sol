// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Time} from "../src/Time.sol";
import {Vault} from "../src/Vault.sol";
import {Channels} from "../src/vault/Channels.sol";
import {Payees} from "../src/vault/Payees.sol";
import {Reasons} from "../src/vault/Reasons.sol";
import {Digests} from "../src/vault/Digests.sol";
import {VaultBase} from "../src/vault/VaultBase.sol";
import {Kit} from "./Kit.sol";

/// @notice Deposits, exits, key replacement, payees, and the constructor's conditions.
contract ChannelsTest is Kit {
    uint32 private channel;
    address private constant NEXT = address(0x9e9);

    event ChannelOpened(
        uint32 indexed channel,
        address indexed owner,
        address indexed payer,
        address funder,
        uint48 amount,
        uint48 bond
    );
    event ExitFinished(uint32 indexed channel, uint48 returned, uint48 bond, uint32 successor);

    function setUp() public {
        build();
        channel = openFor(PAYER);
    }

    function test_openForAnotherOwner() public {
        vm.expectEmit(address(vault));
        emit ChannelOpened(2, address(0x77), vm.addr(5), address(this), 1000, 200);
        same(vault.open(address(0x77), vm.addr(5), 1000, 200), 2, "numbers rise");
        Channels.ChannelView memory view_ = vault.readChannel(2);
        same(view_.owner, address(0x77), "owner");
        same(view_.payer, vm.addr(5), "payer");
        same(view_.deposited, 1000, "deposited");
        same(view_.bond, 200, "bond");
        same(view_.free, 800, "free");
        same(view_.exitReady, 0, "no exit");
        same(vault.channelCount(), 2, "count");
        conserved();
    }

    function test_openRefusesWhatWouldBeLost() public {
        vm.expectPartialRevert(VaultBase.ZeroAddress.selector);
        vault.open(address(0), vm.addr(5), 1000, 200);
        vm.expectPartialRevert(VaultBase.ZeroAddress.selector);
        vault.open(OWNER, address(0), 1000, 200);
        vm.expectPartialRevert(Channels.NothingDeposited.selector);
        vault.open(OWNER, vm.addr(5), 0, 0);
        vm.expectPartialRevert(Channels.WrongBond.selector);
        vault.open(OWNER, vm.addr(5), 1000, 199);
        vm.expectPartialRevert(Channels.WrongBond.selector);
        vault.open(OWNER, vm.addr(5), 1000, 1001);
        vm.expectPartialRevert(Channels.WrongBond.selector);
        vault.open(OWNER, vm.addr(5), 1001, 200);
        vault.open(OWNER, vm.addr(5), 1001, 201);
        vault.open(OWNER, vm.addr(5), 1000, 1000);
    }

    /// Two channels of one key have separate purses, so nobody can spoil a key by opening first.
    function test_oneKeyMayServeSeveralChannels() public {
        vm.prank(STRANGER);
        vm.expectRevert();
        vault.open(STRANGER, vm.addr(PAYER), 100, 20);
        uint32 second = openFor(PAYER);
        expect(plain(second, 1, 70, 0, 70), Reasons.APPLIED, 70, "second");
        same(free(channel), FUNDS, "first untouched");
        expect(plain(channel, 1, 30, 0, 30), Reasons.APPLIED, 30, "first");
        same(vault.settled(second, id(0)), 70, "lane of the second");
    }

    function test_anyoneTopsUpAndTheOwnerGetsIt() public {
        token.transfer(STRANGER, 500);
        vm.startPrank(STRANGER);
        token.approve(address(vault), 500);
        vault.topUp(channel, 500, 100);
        vm.stopPrank();
        same(free(channel), FUNDS + 400, "free");
        same(vault.readChannel(channel).deposited, DEPOSIT + 500, "deposited");
        vm.expectPartialRevert(Channels.WrongBond.selector);
        vault.topUp(channel, 500, 99);
        vm.expectPartialRevert(VaultBase.UnknownChannel.selector);
        vault.topUp(99, 500, 100);
        vm.expectPartialRevert(Channels.NothingDeposited.selector);
        vault.topUp(channel, 0, 0);
    }

    function test_theVaultHoldsAtMost48Bits() public {
        Time plenty = new Time(address(this), 2 ** 60);
        deploy(IERC20(address(plenty)), timelock, timing(), 2000);
        Vault large = vault;
        plenty.approve(address(large), type(uint256).max);
        large.open(OWNER, vm.addr(5), type(uint48).max - 1, type(uint48).max - 1);
        vm.expectRevert(
            abi.encodeWithSelector(VaultBase.VaultFull.selector, type(uint48).max - 1, 2, type(uint48).max)
        );
        large.open(OWNER, vm.addr(5), 2, 2);
        large.open(OWNER, vm.addr(5), 1, 1);
        same(large.held(), type(uint48).max, "full");
        vm.expectPartialRevert(VaultBase.VaultFull.selector);
        large.topUp(1, 1, 1);
    }

    function test_onlyTheOwnerLeavesAndOnlyAfterTheDelay() public {
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.startExit(channel, address(0));
        vm.expectPartialRevert(Channels.NoExit.selector);
        vault.finishExit(channel);
        vm.prank(OWNER);
        vault.startExit(channel, address(0));
        same(vault.readChannel(channel).exitReady, block.timestamp + 15 days, "ready");
        vm.prank(OWNER);
        vm.expectPartialRevert(Channels.ChannelLeaving.selector);
        vault.startExit(channel, NEXT);
        vm.expectPartialRevert(Channels.ChannelLeaving.selector);
        vault.topUp(channel, 100, 20);
        vm.warp(block.timestamp + 15 days - 1);
        vm.expectPartialRevert(Channels.ExitNotReady.selector);
        vault.finishExit(channel);
        vm.warp(block.timestamp + 1);
        vm.expectEmit(address(vault));
        emit ExitFinished(channel, DEPOSIT, BOND, 0);
        vm.prank(STRANGER);
        vault.finishExit(channel);
        same(token.balanceOf(OWNER), DEPOSIT, "everything back");
        same(token.balanceOf(STRANGER), 0, "nothing for the caller");
        same(vault.held(), 0, "nothing left");
        conserved();
    }

    /// Vouchers accepted before the exit settle during the delay, and the owner gets the rest.
    function test_settlingDuringTheDelay() public {
        vm.prank(OWNER);
        vault.startExit(channel, address(0));
        vm.warp(block.timestamp + 15 days - 1);
        expect(plain(channel, 1, 3000, 0, 3000), Reasons.APPLIED, 3000, "in the last second");
        vm.warp(block.timestamp + 1);
        vault.finishExit(channel);
        same(token.balanceOf(OWNER), DEPOSIT - 3000, "the rest");
        expect(plain(channel, 2, 3010, 0, 3010), Reasons.NO_FUNDS, 0, "after the exit");
        conserved();
    }

    /// The owner leaves with all unspent money when hub and guardian are gone: nobody else is needed for it.
    function test_leavingWithoutHubAndGuardian() public {
        vm.prank(GUARDIAN);
        vault.freeze(7 days);
        vm.prank(OWNER);
        vault.startExit(channel, address(0));
        // The guardian and the hub never act again. The freeze ends by itself, the clock runs on.
        vm.warp(block.timestamp + 7 days + 15 days);
        vm.prank(OWNER);
        vault.finishExit(channel);
        same(token.balanceOf(OWNER), DEPOSIT, "everything back");
    }

    function test_aLateCreditIsTakenOutByFinishingAgain() public {
        Message memory message = credit(plain(channel, 1, 400, 0, 400), 400, 250);
        Message memory paid = opened(plain(channel, 1, 400, 0, 400), 400);
        expect(paid, Reasons.APPLIED, 400, "paid");
        vm.prank(OWNER);
        vault.startExit(channel, address(0));
        vm.warp(block.timestamp + 15 days);
        vault.finishExit(channel);
        same(token.balanceOf(OWNER), DEPOSIT - 400, "first");
        expect(message, Reasons.APPLIED, 250, "credit after the exit");
        vault.finishExit(channel);
        same(token.balanceOf(OWNER), DEPOSIT - 150, "second");
        vault.finishExit(channel);
        same(token.balanceOf(OWNER), DEPOSIT - 150, "a third time brings nothing");
        conserved();
    }

    function test_aLostDevicesKeyIsReplacedThroughTheDelay() public {
        Message memory early = opened(plain(channel, 1, 3000, 0, 3000), 3000);
        expect(early, Reasons.APPLIED, 3000, "old key");
        vm.prank(OWNER);
        vault.startExit(channel, vm.addr(6));
        same(vault.readChannel(channel).nextPayer, vm.addr(6), "next");
        expect(plain(channel, 2, 3500, 0, 3500), Reasons.APPLIED, 500, "old key during the delay");
        vm.warp(block.timestamp + 15 days);
        vm.expectEmit(address(vault));
        emit ExitFinished(channel, DEPOSIT - 3500, BOND, 2);
        vault.finishExit(channel);
        same(token.balanceOf(OWNER), 0, "nothing leaves");
        Channels.ChannelView memory view_ = vault.readChannel(2);
        same(view_.payer, vm.addr(6), "new key");
        same(view_.owner, OWNER, "same owner");
        same(view_.deposited, DEPOSIT - 3500, "all of it");
        same(view_.bond, BOND, "the bond goes along");
        same(free(channel), 0, "old channel is empty");
        expect(plain(channel, 3, 3600, 0, 3600), Reasons.NO_FUNDS, 0, "old key after");
        Message memory fresh = plain(2, 1, 10, 0, 10);
        expect(fresh, Reasons.UNKNOWN_SIGNER, 0, "old key on the new channel");
        fresh.key = 6;
        expect(fresh, Reasons.APPLIED, 10, "new key");
        // The old channel has no successor twice: what comes in late goes to the owner.
        vault.finishExit(channel);
        expect(credit(early, 3000, 40), Reasons.APPLIED, 40, "late credit");
        vault.finishExit(channel);
        same(vault.channelCount(), 2, "no third channel");
        same(token.balanceOf(OWNER), 40, "the late credit");
        conserved();
    }

    function test_aReplacedKeyKeepsAFullBond() public {
        expect(plain(channel, 1, FUNDS, 0, FUNDS), Reasons.APPLIED, FUNDS, "all spent");
        vm.prank(OWNER);
        vault.startExit(channel, vm.addr(6));
        vm.warp(block.timestamp + 15 days);
        vault.finishExit(channel);
        same(vault.readChannel(2).deposited, BOND, "only the bond is left");
        same(vault.readChannel(2).bond, BOND, "and stays bond");
        same(free(2), 0, "nothing to spend");
    }

    function test_aReplacedKeysBondIsWhatIsNeededWhateverItsSize() public {
        // Above 32 bits, and needed by a share that was raised since.
        uint48 large = 2 ** 40;
        vm.prank(address(timelock));
        vault.setBondShare(500);
        uint48 small = uint48(vault.bondNeeded(large));
        uint32 opened_ = vault.open(OWNER, vm.addr(7), large, small);
        vm.prank(address(timelock));
        vault.setBondShare(5000);
        vm.prank(OWNER);
        vault.startExit(opened_, vm.addr(8));
        vm.warp(block.timestamp + 15 days);
        vault.finishExit(opened_);
        same(vault.readChannel(opened_ + 1).bond, large / 2, "half, not cut to fewer bits");
        same(vault.readChannel(opened_ + 1).deposited, large, "all of it");
        conserved();
    }

    function test_payeesGetSmallIdsFromAnyone() public {
        vm.prank(STRANGER);
        same(vault.registerPayee(address(0x99)), 4, "fourth");
        same(vault.registerPayee(address(0x99)), 4, "again");
        same(vault.payeeOf(address(0x99)), 4, "by account");
        (address account, uint48 amount) = vault.readPayee(4);
        same(account, address(0x99), "account");
        same(amount, 0, "balance");
        same(vault.payeeCount(), 4, "count");
        vm.expectPartialRevert(VaultBase.ZeroAddress.selector);
        vault.registerPayee(address(0));
    }

    function test_onlyThePayeeWithdraws() public {
        expect(plain(channel, 1, 70, 1, 70), Reasons.APPLIED, 70, "paid");
        vm.prank(payeeAt(0));
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.withdraw(id(1), payeeAt(0), 70);
        vm.startPrank(payeeAt(1));
        vm.expectPartialRevert(Payees.BalanceTooSmall.selector);
        vault.withdraw(id(1), address(0x88), 71);
        vm.expectPartialRevert(VaultBase.ZeroAddress.selector);
        vault.withdraw(id(1), address(0), 70);
        vault.withdraw(id(1), address(0x88), 69);
        same(token.balanceOf(address(0x88)), 69, "paid out");
        same(balance(1), 1, "left");
        vault.withdraw(id(1), address(0x88), 1);
        vault.withdraw(id(1), address(0x88), 0);
        vm.stopPrank();
        // An id that doesn't exist belongs to nobody.
        vm.prank(address(0));
        vm.expectPartialRevert(VaultBase.ZeroAddress.selector);
        vault.withdraw(99, address(0), 0);
        conserved();
    }

    function test_bondShareIsBoundedAndTimelocked() public {
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.setBondShare(1000);
        bytes memory call = abi.encodeCall(Channels.setBondShare, (1000));
        timelock.schedule(address(vault), 0, call, 0, 0, 2 days);
        vm.warp(block.timestamp + 2 days);
        timelock.execute(address(vault), 0, call, 0, 0);
        same(vault.bondShare(), 1000, "changed");
        same(vault.bondNeeded(1000), 100, "needed");
        same(vault.bondNeeded(1001), 101, "rounded up");
        vm.startPrank(address(timelock));
        vm.expectPartialRevert(Channels.OutOfBounds.selector);
        vault.setBondShare(499);
        vm.expectPartialRevert(Channels.OutOfBounds.selector);
        vault.setBondShare(5001);
        vault.setBondShare(500);
        vault.setBondShare(5000);
        vm.stopPrank();
        same(vault.readChannel(channel).bond, BOND, "old deposits keep theirs");
    }

    function test_ruleElevenHoldsInTheConstructor() public {
        VaultBase.Timing memory tight = timing();
        tight.exitDelay = tight.watchLag + tight.leaseLifetime + tight.clockError + tight.payeeOfflineMax
            + tight.claimMargin + tight.slowLane;
        deploy(IERC20(address(token)), timelock, tight, 2000);
        // Each clock counts: one second more of any of them is refused, and so is one that stands still.
        for (uint256 i = 0; i < 6; ++i) {
            VaultBase.Timing memory long = timing();
            VaultBase.Timing memory none = timing();
            long.exitDelay = tight.exitDelay;
            if (i == 0) (long.watchLag, none.watchLag) = (long.watchLag + 1, 0);
            if (i == 1) (long.leaseLifetime, none.leaseLifetime) = (long.leaseLifetime + 1, 0);
            if (i == 2) (long.clockError, none.clockError) = (long.clockError + 1, 0);
            if (i == 3) (long.payeeOfflineMax, none.payeeOfflineMax) = (long.payeeOfflineMax + 1, 0);
            if (i == 4) (long.claimMargin, none.claimMargin) = (long.claimMargin + 1, 0);
            if (i == 5) (long.slowLane, none.slowLane) = (long.slowLane + 1, 0);
            refusesToDeploy(VaultBase.ExitTooShort.selector, IERC20(address(token)), timelock, long, 2000);
            refusesToDeploy(VaultBase.TimingOutOfBounds.selector, IERC20(address(token)), timelock, none, 2000);
        }
        same(vault.exitDelay(), tight.exitDelay, "exit delay");
        same(vault.watchLag(), 1 hours, "watch lag");
        same(vault.leaseLifetime(), 72 hours, "lease lifetime");
        same(vault.clockError(), 2 hours, "clock error");
        same(vault.payeeOfflineMax(), 7 days, "payee offline");
        same(vault.claimMargin(), 48 hours, "claim margin");
        same(vault.slowLane(), 48 hours, "slow lane");
        same(vault.domainSeparator(), separator, "separator");
        same(address(vault.token()), address(token), "token");
        same(address(vault.timelock()), address(timelock), "timelock");
    }

    /// An exit of thirty thousand years would keep every deposit for good.
    function test_anExitThatLocksFundsIsRefused() public {
        VaultBase.Timing memory long = timing();
        long.exitDelay = 365 days;
        deploy(IERC20(address(token)), timelock, long, 2000);
        long.exitDelay = 365 days + 1;
        refusesToDeploy(VaultBase.TimingOutOfBounds.selector, IERC20(address(token)), timelock, long, 2000);
        long.exitDelay = type(uint40).max;
        refusesToDeploy(VaultBase.TimingOutOfBounds.selector, IERC20(address(token)), timelock, long, 2000);
    }

    function test_theBondsShareIsBoundedInTheConstructor() public {
        refusesToDeploy(Channels.OutOfBounds.selector, IERC20(address(token)), timelock, timing(), 499);
        refusesToDeploy(Channels.OutOfBounds.selector, IERC20(address(token)), timelock, timing(), 5001);
    }

    /// After a fork the other side is another domain: what a payer signed for one chain is nothing on it.
    function test_theDomainFollowsTheChain() public {
        bytes memory data = batch(plain(channel, 1, 50_000, 0, 50_000));
        vm.chainId(424_242);
        same(settle(data)[0].reason, 3, "a stranger's there");
        same(vault.domainSeparator(), Digests.separator(424_242, address(vault)), "its own separator");
        vm.chainId(31_337);
        same(settle(data)[0].moved, 50_000, "good here");
    }

    function test_unknownChannelsAreNamed() public {
        vm.expectPartialRevert(VaultBase.UnknownChannel.selector);
        vault.readChannel(99);
        vm.expectPartialRevert(VaultBase.UnknownChannel.selector);
        vault.startExit(99, address(0));
        vm.expectPartialRevert(VaultBase.UnknownChannel.selector);
        vault.finishExit(99);
        vm.expectPartialRevert(VaultBase.UnknownChannel.selector);
        vault.settled(99, 1);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Channels} from "../src/vault/Channels.sol";
import {Digests} from "../src/vault/Digests.sol";
import {Guardian} from "../src/vault/Guardian.sol";
import {HubRegistry} from "../src/vault/HubRegistry.sol";
import {VaultBase} from "../src/vault/VaultBase.sol";
import {Kit} from "./Kit.sol";

/// @notice What guardian, hub and timelock may do, and how little that is.
contract RolesTest is Kit {
    uint32 private channel;
    uint256 private constant NEXT_KEY = 0x40c;

    event FreezeStarted(uint40 until);

    function setUp() public {
        build();
        channel = openFor(PAYER);
    }

    function test_aFreezeStopsAllMoney() public {
        bytes memory data = batch(plain(channel, 1, 70, 0, 70));
        vault.settle(data);
        vm.prank(OWNER);
        vault.startExit(channel, address(0));
        vm.prank(GUARDIAN);
        vault.freeze(7 days);
        bytes4 frozen = VaultBase.Frozen.selector;
        vm.expectPartialRevert(frozen);
        vault.settle(data);
        vm.expectPartialRevert(frozen);
        vault.open(OWNER, vm.addr(5), 1000, 200);
        vm.expectPartialRevert(frozen);
        vault.openWithPermit(OWNER, vm.addr(5), 1000, 200, 0, 27, 0, 0);
        vm.expectPartialRevert(frozen);
        vault.topUp(channel, 1000, 200);
        vm.expectPartialRevert(frozen);
        vault.topUpWithPermit(channel, 1000, 200, 0, 27, 0, 0);
        vm.expectPartialRevert(frozen);
        vault.finishExit(channel);
        vm.expectPartialRevert(frozen);
        vault.collectShare(channel, 1);
        vm.expectPartialRevert(frozen);
        vault.closePot(channel);
        vm.prank(payeeAt(0));
        vm.expectPartialRevert(frozen);
        vault.withdraw(id(0), payeeAt(0), 1);
        vm.warp(block.timestamp + 7 days - 1);
        vm.expectPartialRevert(frozen);
        vault.settle(data);
        vm.warp(block.timestamp + 1);
        vault.settle(data);
    }

    function test_aFreezeIsBoundedFromTheFirst() public {
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.freeze(1 days);
        vm.startPrank(GUARDIAN);
        vm.expectPartialRevert(Guardian.WrongDuration.selector);
        vault.freeze(7 days + 1);
        vm.expectPartialRevert(Guardian.WrongDuration.selector);
        vault.freeze(0);
        vm.expectEmit(address(vault));
        emit FreezeStarted(uint40(block.timestamp + 7 days));
        vault.freeze(7 days);
        vm.expectRevert(abi.encodeWithSelector(Guardian.TooSoon.selector, block.timestamp + 97 days));
        vault.freeze(1);
        vm.warp(block.timestamp + 7 days + 90 days - 1);
        vm.expectPartialRevert(Guardian.TooSoon.selector);
        vault.freeze(1);
        vm.warp(block.timestamp + 1);
        vm.expectPartialRevert(Guardian.WrongDuration.selector);
        vault.freeze(7 days + 1);
        vault.freeze(1);
        vm.stopPrank();
    }

    function test_exitClocksStandStillWhileFrozen() public {
        uint256 start = block.timestamp;
        vm.prank(OWNER);
        vault.startExit(channel, address(0));
        same(vault.clock(), start, "clock");
        vm.warp(start + 5 days);
        vm.prank(GUARDIAN);
        vault.freeze(7 days);
        vm.warp(start + 8 days);
        same(vault.clock(), start + 5 days, "stands still");
        vm.warp(start + 12 days);
        same(vault.clock(), start + 5 days, "until the end");
        vm.warp(start + 13 days);
        same(vault.clock(), start + 6 days, "runs on");
        vm.warp(start + 21 days - 1);
        vm.expectPartialRevert(Channels.ExitNotReady.selector);
        vault.finishExit(channel);
        vm.warp(start + 21 days);
        vault.finishExit(channel);
        same(token.balanceOf(OWNER), DEPOSIT, "extended by exactly the freeze");
    }

    function test_twoFreezesAddUp() public {
        uint256 start = block.timestamp;
        vm.prank(GUARDIAN);
        vault.freeze(7 days);
        vm.warp(start + 100 days);
        same(vault.clock(), start + 93 days, "one freeze");
        vm.prank(GUARDIAN);
        vault.freeze(2 days);
        vm.warp(start + 101 days);
        same(vault.clock(), start + 93 days, "in the second");
        vm.warp(start + 110 days);
        same(vault.clock(), start + 101 days, "both");
        same(vault.readFreeze().earlier, 7 days, "earlier");
    }

    /// An exit that starts during a freeze waits for its end first.
    function test_anExitMayStartWhileFrozen() public {
        vm.prank(GUARDIAN);
        vault.freeze(7 days);
        vm.warp(block.timestamp + 1 days);
        vm.prank(OWNER);
        vault.startExit(channel, address(0));
        vm.warp(block.timestamp + 6 days + 14 days - 1);
        vm.expectPartialRevert(Channels.ExitNotReady.selector);
        vault.finishExit(channel);
        vm.warp(block.timestamp + 1);
        vault.finishExit(channel);
    }

    function test_aFreezeThatIsOverCannotBeLifted() public {
        vm.prank(GUARDIAN);
        vault.freeze(7 days);
        vm.warp(block.timestamp + 7 days);
        vm.prank(address(timelock));
        vm.expectRevert(Guardian.NotFrozen.selector);
        vault.liftFreeze();
    }

    function test_onlyTheTimelockLiftsAFreezeEarly() public {
        uint256 start = block.timestamp;
        vm.startPrank(address(timelock));
        vm.expectPartialRevert(Guardian.NotFrozen.selector);
        vault.liftFreeze();
        vm.stopPrank();
        vm.prank(GUARDIAN);
        vault.freeze(7 days);
        vm.prank(GUARDIAN);
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.liftFreeze();
        bytes memory call = abi.encodeCall(Guardian.liftFreeze, ());
        timelock.schedule(address(vault), 0, call, 0, 0, 2 days);
        vm.warp(start + 2 days);
        timelock.execute(address(vault), 0, call, 0, 0);
        vault.settle(batch(plain(channel, 1, 70, 0, 70)));
        vm.warp(start + 10 days);
        same(vault.clock(), start + 8 days, "two days were lost");
        vm.prank(GUARDIAN);
        vm.expectPartialRevert(Guardian.TooSoon.selector);
        vault.freeze(1);
        vm.warp(start + 2 days + 90 days);
        vm.prank(GUARDIAN);
        vault.freeze(1);
        vm.warp(start + 100 days);
        same(vault.clock(), start + 98 days - 1, "all freezes");
        vm.prank(address(timelock));
        vm.expectPartialRevert(Guardian.NotFrozen.selector);
        vault.liftFreeze();
    }

    function test_rolesChangeByTheTimelockOnly() public {
        bytes4 notAllowed = VaultBase.NotAllowed.selector;
        vm.expectPartialRevert(notAllowed);
        vault.setGuardian(STRANGER);
        vm.expectPartialRevert(notAllowed);
        vault.setHubOperator(STRANGER);
        vm.expectPartialRevert(notAllowed);
        vault.replaceHubKey(STRANGER, uint40(block.timestamp + 1));
        vm.startPrank(address(timelock));
        vault.setGuardian(STRANGER);
        vault.setHubOperator(STRANGER);
        vm.stopPrank();
        same(vault.guardian(), STRANGER, "guardian");
        same(vault.hubOperator(), STRANGER, "operator");
        vm.prank(STRANGER);
        vault.freeze(1);
    }

    function announce(uint256 signer, address next, uint40 from, uint40 until) private {
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(signer, Digests.digest(separator, Digests.hubKey(next, from, until)));
        vault.announceHubKey(next, from, until, r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    function test_hubKeysRotateWithNoticeAndOverlap() public {
        address next = vm.addr(NEXT_KEY);
        uint40 start = uint40(block.timestamp);
        uint40 overlap = 3 days + 7 days;
        uint40 end = start + 365 days;
        same(vault.hubKey(), vm.addr(HUB_KEY), "first key");
        same(vault.readHubKey(vm.addr(HUB_KEY)).from, start, "from");
        same(vault.readHubKey(vm.addr(HUB_KEY)).until, end, "until");

        vm.expectPartialRevert(HubRegistry.NotSignedByHub.selector);
        this.announceBy(0xbad, next, start + 1 days, end + 1);
        vm.expectPartialRevert(HubRegistry.WrongTerm.selector);
        this.announceBy(HUB_KEY, next, start + 1 days - 1, end + 1);
        vm.expectPartialRevert(HubRegistry.OverlapTooShort.selector);
        this.announceBy(HUB_KEY, next, end - overlap + 1, end + 30 days);
        vm.expectPartialRevert(HubRegistry.WrongTerm.selector);
        this.announceBy(HUB_KEY, next, start + 1 days, start + 1 days);
        vm.expectPartialRevert(HubRegistry.KeyKnown.selector);
        this.announceBy(HUB_KEY, vm.addr(HUB_KEY), start + 1 days, end);
        vm.expectPartialRevert(VaultBase.ZeroAddress.selector);
        this.announceBy(HUB_KEY, address(0), start + 1 days, end);

        announce(HUB_KEY, next, end - overlap, end + 30 days);
        same(vault.hubKey(), next, "next key");
        same(vault.readHubKey(next).from, end - overlap, "from");
        same(vault.readHubKey(vm.addr(HUB_KEY)).until, end, "the old one ends as announced");
        // The old key has handed over; the new one isn't in force yet.
        vm.expectPartialRevert(HubRegistry.NotSignedByHub.selector);
        this.announceBy(HUB_KEY, vm.addr(7), end - overlap, end + 60 days);
        vm.expectPartialRevert(HubRegistry.NotSignedByHub.selector);
        this.announceBy(NEXT_KEY, vm.addr(7), end, end + 60 days);
        vm.warp(end - overlap);
        announce(NEXT_KEY, vm.addr(7), end, end + 60 days);
        vm.warp(end + 60 days);
        vm.expectPartialRevert(HubRegistry.NotSignedByHub.selector);
        this.announceBy(7, vm.addr(8), end + 100 days, end + 160 days);
    }

    function announceBy(uint256 signer, address next, uint40 from, uint40 until) external {
        announce(signer, next, from, until);
    }

    function test_aStolenHubKeyEndsAtOnce() public {
        vm.prank(address(timelock));
        vault.replaceHubKey(vm.addr(NEXT_KEY), uint40(block.timestamp + 100 days));
        same(vault.readHubKey(vm.addr(HUB_KEY)).until, block.timestamp, "ended");
        same(vault.readHubKey(vm.addr(NEXT_KEY)).from, block.timestamp, "in force");
        same(vault.hubKey(), vm.addr(NEXT_KEY), "newest");
        // A key that ended earlier keeps its end.
        vm.warp(block.timestamp + 200 days);
        vm.prank(address(timelock));
        vault.replaceHubKey(vm.addr(9), uint40(block.timestamp + 100 days));
        same(vault.readHubKey(vm.addr(NEXT_KEY)).until, block.timestamp - 100 days, "unchanged");
    }

    function test_onlyTheOperatorAccredits() public {
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.accredit(1, true);
        vm.startPrank(OPERATOR);
        vm.expectPartialRevert(VaultBase.UnknownPayee.selector);
        vault.accredit(4, true);
        vault.accredit(1, true);
        vm.stopPrank();
    }

    function test_accreditationLeavesTheBalanceAlone() public {
        vault.settle(batch(plain(channel, 1, 70, 0, 70)));
        vm.startPrank(OPERATOR);
        vault.accredit(1, true);
        (address account, uint48 amount, uint40 at) = vault.readPayee(1);
        same(account, payeeAt(0), "account");
        same(amount, 70, "balance");
        same(at, block.timestamp, "since");
        vm.warp(block.timestamp + 5);
        vault.accredit(1, true);
        (,, at) = vault.readPayee(1);
        same(at, block.timestamp, "anew");
        vault.accredit(1, false);
        (account, amount, at) = vault.readPayee(1);
        same(account, payeeAt(0), "account after");
        same(amount, 70, "balance after");
        same(at, 0, "not any more");
        vm.stopPrank();
        vault.settle(batch(plain(channel, 2, 80, 0, 80)));
        same(balance(0), 80, "settles on");
    }

    function test_anchorsOnlyGrow() public {
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.anchor(1, keccak256("root"));
        vm.startPrank(OPERATOR);
        vault.anchor(10, keccak256("ten"));
        vm.expectPartialRevert(HubRegistry.LogShrunk.selector);
        vault.anchor(10, keccak256("other"));
        vm.expectPartialRevert(HubRegistry.LogShrunk.selector);
        vault.anchor(9, keccak256("nine"));
        vault.anchor(11, keccak256("eleven"));
        vm.stopPrank();
        same(vault.anchorOf(10), keccak256("ten"), "kept");
        same(vault.anchorOf(11), keccak256("eleven"), "newest");
        same(vault.anchoredSize(), 11, "size");
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Channels} from "../src/vault/Channels.sol";
import {Guardian} from "../src/vault/Guardian.sol";
import {VaultBase} from "../src/vault/VaultBase.sol";
import {Kit} from "./Kit.sol";

/// @notice What guardian, hub and timelock may do, and how little that is.
contract RolesTest is Kit {
    uint32 private channel;

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
        vault.topUp(channel, 1000, 200);
        vm.expectPartialRevert(frozen);
        vault.finishExit(channel);
        vm.expectPartialRevert(frozen);
        vault.execute(data);
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
        vm.warp(start + 22 days - 1);
        vm.expectPartialRevert(Channels.ExitNotReady.selector);
        vault.finishExit(channel);
        vm.warp(start + 22 days);
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
        vm.warp(block.timestamp + 6 days + 15 days - 1);
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
        vault.setBondShare(600);
        vm.startPrank(address(timelock));
        vault.setGuardian(STRANGER);
        vm.stopPrank();
        same(vault.guardian(), STRANGER, "guardian");
        vm.prank(STRANGER);
        vault.freeze(1);
    }

    /// The door to the pots opens for the pots alone.
    function test_nobodyElseSlashesOrPaysFromAPot() public {
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.slash(channel);
        vm.prank(address(timelock));
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.payFromPot(channel, 1, 100, 100);
        same(vault.pots(), address(pots), "pots");
        same(address(pots.vault()), address(vault), "their vault");
        same(address(pots.registry()), address(registry), "their registry");
        same(vault.registry(), address(registry), "and the vault's");
    }
}

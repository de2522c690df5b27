// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {Registry} from "../src/Registry.sol";
import {Accreditation} from "../src/registry/Accreditation.sol";
import {Anchors} from "../src/registry/Anchors.sol";
import {HubKeys} from "../src/registry/HubKeys.sol";
import {RegistryBase} from "../src/registry/RegistryBase.sol";
import {Settlers} from "../src/registry/Settlers.sol";
import {Digests} from "../src/vault/Digests.sol";
import {Kit} from "./Kit.sol";

/// @notice What L2 knows of the hub: root and hot keys, settlers, payees, the log.
/// Not checked here: what the vault and the pots make of it (SlowLane, Pots).
contract RegistryTest is Kit {
    uint256 private constant NEXT_KEY = 0x40c;
    address private hubKey;
    address private next;
    uint40 private start_;

    function setUp() public {
        build();
        hubKey = vm.addr(HUB_KEY);
        next = vm.addr(NEXT_KEY);
        start_ = uint40(block.timestamp);
    }

    function halves(uint256 signer, bytes32 structHash) private view returns (bytes32 r, bytes32 vs) {
        bytes memory signature = compact(signer, Digests.digest(separator, structHash));
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            vs := mload(add(signature, 0x40))
        }
    }

    function add(uint256 signer, address key, uint40 from, uint40 until, uint32 epoch, uint40 signedAt) public {
        (bytes32 r, bytes32 vs) = halves(signer, Digests.hubKey(key, from, until, epoch, signedAt));
        registry.addHubKey(key, from, until, epoch, signedAt, r, vs);
    }

    function refuses(bytes4 why, uint256 signer, address key, uint40 from, uint40 until, uint32 epoch, uint40 signedAt)
        private
    {
        (bytes32 r, bytes32 vs) = halves(signer, Digests.hubKey(key, from, until, epoch, signedAt));
        vm.expectPartialRevert(why);
        registry.addHubKey(key, from, until, epoch, signedAt, r, vs);
    }

    function revoke(uint256 signer, address key) private {
        (bytes32 r, bytes32 vs) = halves(signer, Digests.hubKeyRevoked(key, start_));
        vm.prank(STRANGER);
        registry.revokeHubKey(key, start_, r, vs);
    }

    function good(address key) private view returns (bool yes) {
        (,,,, yes) = registry.hubKey(key);
    }

    function countsFrom(address key) private view returns (uint40 at) {
        (,, at,,) = registry.hubKey(key);
    }

    // ---- keys ----

    function test_theFirstKeyCountsAtOnceAndOthersLaterThanTheSlowLane() public {
        same(countsFrom(hubKey), 1, "the first");
        add(ROOT, next, start_ + 1 days, start_ + 31 days, 0, start_);
        same(countsFrom(next), start_ + 48 hours + 1, "the next");
        holds(good(next), "good");
        (uint40 from, uint40 until,, uint40 addedAt,) = registry.hubKey(next);
        same(from, start_ + 1 days, "from");
        same(until, start_ + 31 days, "until");
        same(addedAt, start_, "carried");
    }

    /// A thief of a hot key can neither certify a successor nor revoke.
    function test_onlyTheRootCertifiesAndRevokes() public {
        refuses(HubKeys.NotSignedByRoot.selector, HUB_KEY, next, start_, start_ + 1 days, 0, start_);
        (bytes32 r, bytes32 vs) = halves(HUB_KEY, Digests.hubKeyRevoked(next, start_));
        vm.expectPartialRevert(HubKeys.NotSignedByRoot.selector);
        registry.revokeHubKey(next, start_, r, vs);
        vm.expectPartialRevert(HubKeys.NotSignedByRoot.selector);
        registry.revokeHubKey(next, start_, 0, 0);
    }

    function test_termsAreBounded() public {
        bytes4 wrong = HubKeys.WrongTerm.selector;
        refuses(wrong, ROOT, next, start_, start_ + 30 days + 1, 0, start_);
        refuses(wrong, ROOT, next, start_, start_ - 1, 0, start_);
        refuses(wrong, ROOT, next, start_ + 10 days + 1, start_ + 20 days, 0, start_);
        refuses(wrong, ROOT, next, start_ + 2, start_ + 20 days, 0, start_ + 1);
        refuses(wrong, ROOT, next, start_, type(uint40).max, 0, start_);
        refuses(RegistryBase.ZeroAddress.selector, ROOT, address(0), start_, start_ + 1 days, 0, start_);
        add(ROOT, next, start_ + 10 days, start_ + 40 days, 0, start_);
        // One second is a term, too.
        add(ROOT, address(0x1234), start_, start_, 0, start_);
    }

    /// A key that is certified again signs longer, and counts as soon as it would have; an older certificate, brought
    /// late, changes nothing.
    function test_aKeyMayBeCertifiedAgain() public {
        add(ROOT, next, start_ + 2 days, start_ + 20 days, 0, start_);
        uint40 counts = countsFrom(next);
        vm.warp(start_ + 15 days);
        add(ROOT, next, start_ + 15 days, start_ + 45 days, 0, start_ + 15 days);
        (uint40 from, uint40 until,, uint40 addedAt,) = registry.hubKey(next);
        same(from, start_ + 2 days, "from");
        same(until, start_ + 45 days, "until");
        same(addedAt, start_, "carried first");
        same(countsFrom(next), counts, "counts as before");
        refuses(HubKeys.KeyKnown.selector, ROOT, next, start_ + 2 days, start_ + 20 days, 0, start_);
        refuses(HubKeys.KeyKnown.selector, ROOT, next, start_, start_ + 30 days, 0, start_);
        // In a new epoch it begins anew.
        add(ROOT, next, start_ + 15 days, start_ + 16 days, 1, start_ + 15 days);
        holds(good(next), "of the new epoch");
        holds(countsFrom(next) > start_ + 17 days, "and counts later");
    }

    /// Any key ends at once, also one that isn't the newest, and none comes back.
    function test_aRevokedKeyNeverComesBack() public {
        add(ROOT, next, start_, start_ + 1 days, 0, start_);
        revoke(ROOT, hubKey);
        holds(!good(hubKey), "the older");
        holds(good(next), "and no other");
        refuses(HubKeys.KeyRevoked.selector, ROOT, hubKey, start_, start_ + 1 days, 0, start_);
        refuses(HubKeys.KeyRevoked.selector, ROOT, hubKey, start_, start_ + 1 days, 1, start_);
        // A revocation may come before its key does.
        address unborn = vm.addr(0x77);
        revoke(ROOT, unborn);
        refuses(HubKeys.KeyRevoked.selector, ROOT, unborn, start_, start_ + 1 days, 0, start_);
        (bytes32 r, bytes32 vs) = halves(ROOT, Digests.hubKeyRevoked(unborn, start_));
        vm.expectPartialRevert(HubKeys.KeyRevoked.selector);
        registry.revokeHubKey(unborn, start_, r, vs);
    }

    function test_aHigherEpochEndsAllOlderKeysAndALowerIsRefused() public {
        add(ROOT, next, start_, start_ + 1 days, 5, start_);
        holds(!good(hubKey), "the older epoch's");
        holds(good(next), "the new one's");
        same(registry.epoch(), 5, "epoch");
        refuses(HubKeys.OldEpoch.selector, ROOT, vm.addr(0x77), start_, start_ + 1 days, 4, start_);
        add(ROOT, vm.addr(0x78), start_, start_ + 1 days, 5, start_);
        holds(good(next) && good(vm.addr(0x78)), "same epoch");
    }

    function test_theTimelockReplacesALostRoot() public {
        vm.expectPartialRevert(RegistryBase.NotAllowed.selector);
        registry.setRoot(STRANGER);
        vm.startPrank(address(timelock));
        vm.expectPartialRevert(RegistryBase.ZeroAddress.selector);
        registry.setRoot(address(0));
        registry.setRoot(vm.addr(0x4008));
        vm.stopPrank();
        refuses(HubKeys.NotSignedByRoot.selector, ROOT, next, start_, start_ + 1 days, 0, start_);
        revoke(0x4008, hubKey);
        add(0x4008, next, start_, start_ + 1 days, 0, start_);
    }

    // ---- settlers ----

    function test_settlersOpenSlowlyAndCloseAtOnce() public {
        same(registry.settlerFrom(address(this)), 1, "the first counts at once");
        vm.expectPartialRevert(RegistryBase.NotAllowed.selector);
        registry.addSettler(STRANGER);
        vm.startPrank(OPERATOR);
        registry.addSettler(STRANGER);
        same(registry.settlerFrom(STRANGER), start_ + 3 days, "longer than the slow lane and the timelock");
        vm.expectPartialRevert(Settlers.SettlerKnown.selector);
        registry.addSettler(STRANGER);
        vm.expectPartialRevert(RegistryBase.ZeroAddress.selector);
        registry.addSettler(address(0));
        registry.dropSettler(STRANGER);
        same(registry.settlerFrom(STRANGER), 0, "gone");
        vm.expectPartialRevert(Settlers.NoSettler.selector);
        registry.dropSettler(STRANGER);
        vm.stopPrank();
        vm.expectPartialRevert(RegistryBase.NotAllowed.selector);
        registry.dropSettler(address(this));
        vm.prank(GUARDIAN);
        registry.dropSettler(address(this));
        vm.prank(OPERATOR);
        registry.addSettler(STRANGER);
        vm.prank(address(timelock));
        registry.dropSettler(STRANGER);
    }

    // ---- payees ----

    function test_accreditationHoldsSinceAndUntil() public {
        vm.expectPartialRevert(RegistryBase.NotAllowed.selector);
        registry.accredit(1, 3);
        vm.startPrank(OPERATOR);
        vm.expectPartialRevert(Accreditation.UnknownPayee.selector);
        registry.accredit(4, 3);
        vm.expectPartialRevert(Accreditation.UnknownPayee.selector);
        registry.accredit(0, 3);
        vm.expectPartialRevert(Accreditation.WrongCount.selector);
        registry.accredit(1, 0);
        vm.expectPartialRevert(Accreditation.WrongCount.selector);
        registry.accredit(1, 10_001);
        registry.accredit(1, 3);
        vm.stopPrank();
        same(registry.terminalsAt(1, start_), 0, "not yet");
        same(registry.terminalsAt(1, start_ + 1 hours), 3, "from the next hour on");
        same(registry.accreditedSince(1), start_ / 3600 * 3600 + 1 hours, "since");
    }

    /// Repeating it drops nobody, before or after a proof.
    function test_repeatingAnAccreditationChangesNothing() public {
        vm.startPrank(OPERATOR);
        registry.accredit(1, 3);
        vm.warp(start_ + 50 days);
        registry.accredit(1, 3);
        vm.stopPrank();
        same(registry.accreditedSince(1), start_ / 3600 * 3600 + 1 hours, "as it was");
        same(registry.terminalsAt(1, start_ + 50 days), 3, "terminals");
    }

    function delay() private view returns (uint40) {
        return uint40(registry.changeDelay()) * 1 hours;
    }

    /// A removal, like every other change, works for what is leased from now on.
    function test_aRemovalTakesEffectAfterTheClaimsOfToday() public {
        same(delay(), 12 days + 3 hours, "a lease, its clock's error, and its claims, in whole hours");
        vm.startPrank(OPERATOR);
        vm.expectPartialRevert(Accreditation.NotAccredited.selector);
        registry.endAccreditation(1);
        registry.accredit(1, 3);
        vm.warp(start_ + 50 days);
        registry.endAccreditation(1);
        registry.endAccreditation(1);
        uint40 end = uint40(block.timestamp) / 3600 * 3600 + delay();
        same(registry.terminalsAt(1, end - 1), 3, "until then");
        same(registry.terminalsAt(1, end), 0, "no longer");
        // It may think better of it.
        vm.warp(end - 1);
        registry.accredit(1, 3);
        same(registry.terminalsAt(1, end), 3, "stays");
        registry.endAccreditation(1);
        end = uint40(block.timestamp) / 3600 * 3600 + delay();
        vm.warp(end);
        same(registry.accreditedSince(1), 0, "over");
        vm.expectPartialRevert(Accreditation.NotAccredited.selector);
        registry.endAccreditation(1);
        vm.expectPartialRevert(Accreditation.ChangeWaits.selector);
        registry.accredit(1, 3);
        vm.warp(end + delay());
        registry.accredit(1, 4);
        same(registry.terminalsAt(1, end + delay() + 1 hours), 4, "a new term");
        vm.stopPrank();
    }

    /// Neither more terminals nor fewer count in a pot of today.
    function test_terminalCountsChangeAfterTheClaimsOfToday() public {
        vm.startPrank(OPERATOR);
        registry.accredit(1, 3);
        vm.warp(start_ + 50 days);
        registry.accredit(1, 9);
        uint40 then = uint40(block.timestamp) / 3600 * 3600 + delay();
        same(registry.terminalsAt(1, then - 1), 3, "until then");
        same(registry.terminalsAt(1, then), 9, "from then on");
        vm.expectPartialRevert(Accreditation.ChangeWaits.selector);
        registry.accredit(1, 2);
        vm.warp(then + delay());
        registry.accredit(1, 2);
        same(registry.terminalsAt(1, uint40(block.timestamp)), 9, "now");
        same(registry.terminalsAt(1, uint40(block.timestamp) + delay()), 2, "later");
        vm.stopPrank();
    }

    // ---- log ----

    function test_anchorsOnlyGrow() public {
        vm.expectPartialRevert(RegistryBase.NotAllowed.selector);
        registry.anchor(1, keccak256("root"));
        vm.warp(start_ + 1);
        vm.startPrank(OPERATOR);
        registry.anchor(10, keccak256("ten"));
        vm.expectPartialRevert(Anchors.LogShrunk.selector);
        registry.anchor(10, keccak256("other"));
        vm.expectPartialRevert(Anchors.LogShrunk.selector);
        registry.anchor(9, keccak256("nine"));
        vm.warp(start_ + 2);
        registry.anchor(11, keccak256("eleven"));
        vm.stopPrank();
        same(registry.anchorOf(10), keccak256("ten"), "kept");
        same(registry.anchorOf(11), keccak256("eleven"), "newest");
        same(registry.anchoredSize(), 11, "size");
    }

    /// A thief of the operator's key can't end anchoring for good.
    function test_anAnchorAheadOfTheLogIsTakenBack() public {
        vm.warp(start_ + 10);
        vm.startPrank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(Anchors.LogTooFast.selector, type(uint48).max, 100_000));
        registry.anchor(type(uint48).max, keccak256("end"));
        vm.expectPartialRevert(Anchors.LogTooFast.selector);
        registry.anchor(100_001, keccak256("ahead"));
        registry.anchor(100_000, keccak256("ahead"));
        vm.expectPartialRevert(Anchors.LogTooFast.selector);
        registry.anchor(100_001, keccak256("more"));
        vm.stopPrank();
        vm.expectPartialRevert(RegistryBase.NotAllowed.selector);
        registry.takeBackAnchors(0);
        vm.startPrank(address(timelock));
        vm.expectPartialRevert(Anchors.LogShrunk.selector);
        registry.takeBackAnchors(100_000);
        registry.takeBackAnchors(20);
        vm.stopPrank();
        vm.warp(start_ + 20);
        vm.startPrank(OPERATOR);
        registry.anchor(21, keccak256("goes on"));
        vm.warp(start_ + 40);
        // A root once named for a size stays: nobody shows two histories by way of the timelock.
        vm.expectPartialRevert(Anchors.AnchorKnown.selector);
        registry.anchor(100_000, keccak256("another"));
        vm.stopPrank();
        same(registry.anchorOf(100_000), keccak256("ahead"), "stays");
    }

    // ---- deployment and timelock ----

    function test_theRegistryTakesOnlyTheCodeItWasMadeFor() public {
        (Registry made, bytes memory ofVault, bytes memory ofPots) = prepare(token, timelock, timing(), 2000);
        vm.expectPartialRevert(RegistryBase.NoVault.selector);
        made.deployPots(ofPots);
        vm.expectPartialRevert(RegistryBase.OtherCode.selector);
        made.deployVault(ofPots);
        vm.prank(STRANGER);
        made.deployVault(ofVault);
        vm.expectPartialRevert(RegistryBase.Stands.selector);
        made.deployVault(ofVault);
        vm.expectPartialRevert(RegistryBase.OtherCode.selector);
        made.deployPots(ofVault);
        vm.prank(STRANGER);
        same(made.deployPots(ofPots), made.pots(), "where the vault looks for them");
        vm.expectPartialRevert(RegistryBase.NotCreated.selector);
        made.deployPots(ofPots);
        vm.expectPartialRevert(RegistryBase.OtherCode.selector);
        made.deployMandates(ofPots);
        same(registry.mandates(), address(mandates), "where the vault looks for its mandates");
        same(vault.mandates(), address(mandates), "and finds them");
    }

    function test_theOperatorIsReplacedByTheTimelockOnly() public {
        vm.expectPartialRevert(RegistryBase.NotAllowed.selector);
        registry.setOperator(STRANGER);
        vm.startPrank(address(timelock));
        vm.expectPartialRevert(RegistryBase.ZeroAddress.selector);
        registry.setOperator(address(0));
        registry.setOperator(STRANGER);
        vm.stopPrank();
        same(registry.operator(), STRANGER, "operator");
    }

    /// Taking the notice away first, with notice, would let every later change come without.
    function test_theTimelocksNoticeNeverFallsBelowTwoDays() public {
        bytes memory none = abi.encodeCall(TimelockController.updateDelay, (0));
        timelock.schedule(address(timelock), 0, none, 0, 0, 2 days);
        vm.warp(block.timestamp + 2 days);
        timelock.execute(address(timelock), 0, none, 0, 0);
        same(timelock.getMinDelay(), 2 days, "the floor stays");
        bytes memory change = abi.encodeCall(vault.setBondShare, (5000));
        vm.expectPartialRevert(TimelockController.TimelockInsufficientDelay.selector);
        timelock.schedule(address(vault), 0, change, 0, 0, 2 days - 1);
        timelock.schedule(address(vault), 0, change, 0, 0, 2 days);
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        timelock.execute(address(vault), 0, change, 0, 0);
    }
}

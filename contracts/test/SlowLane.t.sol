// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Digests} from "../src/vault/Digests.sol";
import {Announcements} from "../src/vault/Announcements.sol";
import {Reasons} from "../src/vault/Reasons.sol";
import {Kit} from "./Kit.sol";
import {Vm} from "./Vm.sol";

/// @notice Who settles at once and who announces first: the rules that keep acknowledged money from being settled away.
/// Not checked here: what the hub may acknowledge and how fast it answers an announcement (npm run model:lanes).
contract SlowLaneTest is Kit {
    uint32 private channel;

    event Announced(bytes32 indexed batch, uint40 executableAt, bytes rows);

    function setUp() public {
        build();
        channel = openFor(PAYER);
    }

    function by(address account, bytes memory data) private returns (Outcome[] memory) {
        vm.recordLogs();
        vm.prank(account);
        vault.settle(data);
        return outcomesOf(vm.getRecordedLogs());
    }

    // ---- rule 1: a settler's rows, and rows with an acknowledgement ----

    function test_aStrangersRowsDontSettleAtOnce() public {
        Outcome[] memory outcomes = by(STRANGER, batch(plain(channel, 1, 70, 0, 70)));
        same(outcomes[0].reason, Reasons.SLOW_LANE, "reason");
        same(outcomes[0].moved, 0, "nothing moves");
        same(by(address(this), batch(plain(channel, 1, 70, 0, 70)))[0].moved, 70, "a settler's do");
    }

    /// The acknowledgement of one row is nothing of the next, not even a wrong one.
    function test_aRowBehindAnAcknowledgedOneIsJudgedByItself() public {
        Outcome[] memory outcomes = by(
            STRANGER, batch(acknowledged(plain(channel, 1, 70, 0, 70)), plain(channel, 2, 80, 0, 80))
        );
        same(outcomes[0].moved, 70, "acknowledged");
        same(outcomes[1].reason, Reasons.SLOW_LANE, "the next is not");
    }

    function test_aRowWithItsAcknowledgementSettlesForAnybody() public {
        same(by(STRANGER, batch(acknowledged(plain(channel, 1, 70, 0, 70))))[0].moved, 70, "voucher");
        Message memory message = plain(channel, 2, 70, 0, 70);
        message.kind = STREAM;
        message.seed = keccak256("seed");
        message.tickValue = 5;
        message.ticks = 10;
        message.k = 3;
        same(by(STRANGER, batch(acknowledged(message)))[0].moved, 15, "three ticks");
        message.k = 0;
        message.seq = 3;
        message.paid = 90;
        message.spent = 90;
        same(by(STRANGER, batch(acknowledged(message)))[0].moved, 5, "a stream's beginning");
        // With every other part as well.
        Message memory all = opened(plain(channel, 4, 200, 1, 110), 110);
        all.kind |= LANES;
        all.lanes = bytes16(keccak256("lanes"));
        all.kind &= 0xf2;
        same(by(STRANGER, batch(acknowledged(all)))[0].moved, 110, "lanes and opening");
        conserved();
    }

    function test_aSecureElementsRowWithItsAcknowledgement() public {
        uint256 secure = 1 << 210 | 77;
        uint32 other = vault.open(OWNER, signerOf(secure), DEPOSIT, BOND);
        Message memory message = opened(plain(other, 1, 70, 0, 70), 70);
        message.key = secure;
        same(by(STRANGER, batch(acknowledged(message)))[0].moved, 70, "settles");
    }

    /// Acknowledging tick 3 never clears tick 4, nor one voucher another.
    function test_anAcknowledgementIsOfExactlyItsEntry() public {
        Message memory message = plain(channel, 1, 70, 0, 70);
        message.kind = STREAM;
        message.seed = keccak256("seed");
        message.tickValue = 5;
        message.ticks = 10;
        message.k = 3;
        bytes memory ofThree = acknowledgement(HUB_KEY, entryOf(message));
        message.k = 4;
        bytes memory row = rowOf(message);
        row[0] |= 0x10;
        Outcome[] memory outcomes = by(STRANGER, bytes.concat(header(), row, ofThree));
        same(outcomes[0].reason, Reasons.BAD_ACKNOWLEDGEMENT, "another tick");
        bytes memory ofStream = acknowledgement(HUB_KEY, digestOf(message));
        outcomes = by(STRANGER, bytes.concat(header(), row, ofStream));
        same(outcomes[0].reason, Reasons.BAD_ACKNOWLEDGEMENT, "the stream's beginning");
        Message memory voucher = acknowledged(plain(channel, 2, 70, 0, 70));
        row = rowOf(voucher);
        for (uint256 i = row.length - 75; i < row.length; i += 7) {
            row[i] ^= 0x01;
            same(by(STRANGER, bytes.concat(header(), row))[0].reason, Reasons.BAD_ACKNOWLEDGEMENT, "altered");
            row[i] ^= 0x01;
        }
        same(by(STRANGER, bytes.concat(header(), row))[0].moved, 70, "unaltered");
    }

    /// However many rows need room for their hashes, the outcomes stay what they are.
    function test_manyRowsWithAcknowledgementsAndCredits() public {
        bytes memory data = header();
        for (uint32 i = 1; i <= 40; ++i) {
            data = bytes.concat(data, rowOf(acknowledged(opened(plain(channel, i, i * 10, 0, i * 10), 10))));
        }
        for (uint32 i = 1; i <= 40; ++i) {
            data = bytes.concat(data, rowOf(credit(opened(plain(channel, i, i * 10, 0, i * 10), 10), 10, 3)));
        }
        Outcome[] memory outcomes = by(STRANGER, data);
        same(outcomes.length, 80, "a lane a row");
        for (uint256 i = 0; i < 80; ++i) {
            same(outcomes[i].channel, channel, "channel");
            same(outcomes[i].reason, Reasons.APPLIED, "reason");
            same(outcomes[i].moved, i < 40 ? 10 : 3, "moved");
        }
        same(balance(0), 400 - 120, "balance");
    }

    /// A thief of a hot key is stopped by one revocation, an ended key's word counts as long as a payee may be late.
    function test_whichKeysSpeedRows() public {
        Message memory message = plain(channel, 1, 70, 0, 70);
        bytes memory row = rowOf(message);
        row[0] |= 0x10;
        bytes memory ofStranger = bytes.concat(header(), row, acknowledgement(0xbad, entryOf(message)));
        same(by(STRANGER, ofStranger)[0].reason, Reasons.BAD_ACKNOWLEDGEMENT, "no hub key");
        uint256 start_ = block.timestamp;
        bytes memory good = bytes.concat(header(), row, acknowledgement(HUB_KEY, entryOf(message)));
        vm.warp(start_ + 30 days);
        bytes memory last = acknowledgement(HUB_KEY, entryOf(message));
        vm.warp(start_ + 30 days + 1);
        bytes memory late = acknowledgement(HUB_KEY, entryOf(message));
        same(
            by(STRANGER, bytes.concat(header(), row, late))[0].reason, Reasons.BAD_ACKNOWLEDGEMENT, "after its end"
        );
        vm.warp(start_ + 39 days + 1);
        same(by(STRANGER, good)[0].reason, Reasons.BAD_ACKNOWLEDGEMENT, "seven days and the slow lane later");
        vm.warp(start_ + 39 days);
        revertable(bytes.concat(header(), row, last));
        vm.warp(start_ - 1);
        bytes memory early = acknowledgement(HUB_KEY, entryOf(message));
        vm.warp(start_);
        same(
            by(STRANGER, bytes.concat(header(), row, early))[0].reason, Reasons.BAD_ACKNOWLEDGEMENT, "before its term"
        );
        revoke(HUB_KEY);
        same(by(STRANGER, good)[0].reason, Reasons.BAD_ACKNOWLEDGEMENT, "revoked");
    }

    function revertable(bytes memory data) private {
        uint256 snapshot = vm.snapshotState();
        same(by(STRANGER, data)[0].moved, 70, "the last second");
        vm.revertToState(snapshot);
    }

    function revoke(uint256 key) private {
        bytes memory signature =
            compact(ROOT, Digests.digest(separator, Digests.hubKeyRevoked(vm.addr(key), uint40(block.timestamp))));
        bytes32 r;
        bytes32 vs;
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            vs := mload(add(signature, 0x40))
        }
        registry.revokeHubKey(vm.addr(key), uint40(block.timestamp), r, vs);
    }

    /// Rule 2: one acknowledged voucher of an accomplice must not carry a list with a helper on it.
    function test_anAcknowledgementSpeedsTheOwnLaneOnly() public {
        Message memory message = plain(channel, 1, 700, 0, 70);
        message.kind = STATEMENT;
        message.list = new Entry[](2);
        message.list[0] = Entry(1, 400);
        message.list[1] = Entry(2, 200);
        Outcome[] memory outcomes = by(STRANGER, batch(acknowledged(message)));
        same(outcomes[0].moved, 70, "its own");
        same(outcomes[1].reason, Reasons.SLOW_LANE, "first listed");
        same(outcomes[2].reason, Reasons.SLOW_LANE, "second listed");
        same(free(channel), FUNDS - 70, "free");
        outcomes = settle(batch(acknowledged(message)));
        same(outcomes[0].reason, Reasons.STALE, "settled");
        same(outcomes[1].moved, 400, "a settler's list counts");
        // A fault of the row is its fault for everybody.
        message.seq = 2;
        message.list[0] = Entry(1, 4000);
        outcomes = by(STRANGER, batch(message));
        same(outcomes[0].reason, Reasons.LIST_ABOVE_SPENT, "own lane");
        same(outcomes[1].reason, Reasons.LIST_ABOVE_SPENT, "listed lane");
    }

    /// Rule 14: a credit gives money back to the channel, and waits for nobody.
    function test_creditsAreImmediateForAnybody() public {
        settle(batch(opened(plain(channel, 1, 400, 0, 400), 400)));
        same(by(STRANGER, batch(credit(plain(channel, 1, 400, 0, 400), 400, 150)))[0].moved, 150, "credited");
        bytes memory row = rowOf(credit(plain(channel, 1, 400, 0, 400), 400, 160));
        row[0] |= 0x10;
        vm.expectRevert();
        vault.settle(bytes.concat(header(), row));
    }

    // ---- rules 3 to 6: the slow lane ----

    function test_anybodyAnnouncesAndExecutes() public {
        bytes memory data = batch(plain(channel, 1, 70, 0, 70));
        uint40 due = uint40(block.timestamp + 48 hours);
        vm.expectEmit(address(vault));
        emit Announced(keccak256(data), due, data);
        vm.prank(STRANGER);
        vault.announce(data);
        vm.warp(due - 1);
        vm.expectRevert(abi.encodeWithSelector(Announcements.NotDue.selector, due));
        vault.execute(data);
        vm.warp(due);
        vm.prank(OWNER);
        vault.execute(data);
        same(balance(0), 70, "settled");
        vm.expectPartialRevert(Announcements.NotAnnounced.selector);
        vault.execute(data);
    }

    function test_executingNeedsTheSameBytes() public {
        vault.announce(batch(plain(channel, 1, 70, 0, 70)));
        vm.warp(block.timestamp + 48 hours);
        bytes memory other = batch(plain(channel, 1, 71, 0, 71));
        vm.expectPartialRevert(Announcements.NotAnnounced.selector);
        vault.execute(other);
    }

    /// Rule 5: nobody keeps an announcement from becoming due by repeating it.
    function test_announcingAgainDoesntRestartTheClock() public {
        bytes memory data = batch(plain(channel, 1, 70, 0, 70));
        vault.announce(data);
        uint256 due = block.timestamp + 48 hours;
        vm.warp(due - 1);
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(Announcements.AlreadyAnnounced.selector, uint40(due)));
        vault.announce(data);
        vm.warp(due + 7 days);
        vm.expectPartialRevert(Announcements.AlreadyAnnounced.selector);
        vault.announce(data);
        vault.execute(data);
        same(balance(0), 70, "the last second");
    }

    /// Rule 4: what nobody executed in a week is over, so a hub needn't hold money back for ever.
    function test_anAnnouncementEnds() public {
        bytes memory data = batch(plain(channel, 1, 70, 0, 70));
        vault.announce(data);
        vm.warp(block.timestamp + 48 hours + 7 days + 1);
        vm.expectPartialRevert(Announcements.AnnouncementOver.selector);
        vault.execute(data);
        vault.announce(data);
        vm.warp(block.timestamp + 48 hours - 1);
        vm.expectPartialRevert(Announcements.NotDue.selector);
        vault.execute(data);
        vm.warp(block.timestamp + 1);
        vault.execute(data);
        same(balance(0), 70, "announced anew");
    }

    /// Rule 6: a freeze stops those who would settle before an announced row, so it stops the announcement too.
    function test_aFreezeStopsTheSlowLane() public {
        bytes memory data = batch(plain(channel, 1, 70, 0, 70));
        vault.announce(data);
        uint256 start_ = block.timestamp;
        vm.prank(GUARDIAN);
        vault.freeze(7 days);
        vm.warp(start_ + 7 days + 48 hours - 1);
        vm.expectPartialRevert(Announcements.NotDue.selector);
        vault.execute(data);
        vm.warp(start_ + 7 days + 48 hours);
        vault.execute(data);
    }

    /// Many wait at once, each on its own clock, and one doesn't take another's bytes.
    function test_manyAnnouncementsWaitSideBySide() public {
        bytes[5] memory data;
        for (uint32 i = 0; i < 5; ++i) {
            data[i] = batch(plain(channel, i, (i + 1) * 10, 0, (i + 1) * 10));
            vault.announce(data[i]);
            vm.warp(block.timestamp + 1 hours);
        }
        vm.warp(block.timestamp + 43 hours);
        for (uint32 i = 0; i < 5; ++i) {
            if (i == 0) {
                vault.execute(data[i]);
            } else {
                vm.expectPartialRevert(Announcements.NotDue.selector);
                vault.execute(data[i]);
            }
        }
        same(balance(0), 10, "the oldest");
    }

    /// Broken framing is its sender's: it reverts when it is due, and harms nobody.
    function test_anAnnouncedBatchMayBeRubbish() public {
        vault.announce(hex"ff");
        vm.warp(block.timestamp + 48 hours);
        vm.expectRevert();
        vault.execute(hex"ff");
        holds(vault.announcedAt(keccak256(hex"ff")) != 0, "and stays what it was");
    }

    // ---- rule 12: settlers ----

    function test_aDroppedSettlerIsAStrangerAtOnceAndANewOneForLong() public {
        bytes memory data = batch(plain(channel, 1, 70, 0, 70));
        vm.startPrank(OPERATOR);
        registry.dropSettler(address(this));
        registry.addSettler(STRANGER);
        vm.stopPrank();
        same(by(address(this), data)[0].reason, Reasons.SLOW_LANE, "dropped");
        uint256 start_ = block.timestamp;
        vm.warp(start_ + 3 days - 1);
        same(by(STRANGER, data)[0].reason, Reasons.SLOW_LANE, "not yet");
        vm.warp(start_ + 3 days);
        same(by(STRANGER, data)[0].moved, 70, "counts");
    }

    /// The notice runs on the vault's clock, so that no freeze hides it.
    function test_aFreezeStopsANewSettlersNotice() public {
        vm.prank(OPERATOR);
        registry.addSettler(STRANGER);
        uint256 start_ = block.timestamp;
        vm.prank(GUARDIAN);
        vault.freeze(7 days);
        vm.warp(start_ + 7 days + 3 days - 1);
        same(by(STRANGER, batch(plain(channel, 1, 70, 0, 70)))[0].reason, Reasons.SLOW_LANE, "not yet");
    }

    /// An acknowledged voucher and an announced one of the same channel: within the slow lane the payee settles first.
    function test_acknowledgedMoneyGoesBeforeAnnouncedMoney() public {
        bytes memory invented = batch(plain(channel, 9, FUNDS, 1, FUNDS));
        vm.prank(STRANGER);
        vault.announce(invented);
        vm.warp(block.timestamp + 47 hours);
        same(by(payeeAt(0), batch(acknowledged(plain(channel, 8, 700_000, 0, 700_000))))[0].moved, 700_000, "safe");
        vm.warp(block.timestamp + 1 hours);
        vault.execute(invented);
        same(balance(1), FUNDS - 700_000, "the helper gets what is left");
        conserved();
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Channels} from "../src/vault/Channels.sol";
import {PotsBase} from "../src/pots/PotsBase.sol";
import {Proofs} from "../src/pots/Proofs.sol";
import {Reasons} from "../src/vault/Reasons.sol";
import {Rows} from "../src/vault/Rows.sol";
import {VaultBase} from "../src/vault/VaultBase.sol";
import {Kit} from "./Kit.sol";

/// @notice What is a proof and what isn't, message by message.
contract FraudTest is Kit {
    uint8 private constant E1 = 1;
    uint8 private constant E2 = 2;
    uint8 private constant E3 = 3;
    uint32 private channel;

    event FraudProved(uint32 indexed channel, uint8 rule, uint48 bond, uint40 closesAt, address reporter);

    function setUp() public {
        build();
        channel = openFor(PAYER);
    }

    function proves(uint8 rule, Message memory a, Message memory b, string memory what) private {
        bytes memory evidence = batch(a, b);
        vm.prank(STRANGER);
        pots.proveFraud(rule, evidence);
        Channels.ChannelView memory view_ = vault.readChannel(channel);
        holds(view_.slashed, what);
        same(view_.bond, 0, "the bond is gone");
        same(pots.readPot(channel).bond, BOND, "and in the pot");
        same(view_.free, FUNDS, "the free amount stays");
        conserved();
    }

    function refuses(uint8 rule, Message memory a, Message memory b) private {
        bytes memory evidence = batch(a, b);
        vm.expectRevert(abi.encodeWithSelector(Proofs.NotProved.selector, rule));
        pots.proveFraud(rule, evidence);
        evidence = batch(b, a);
        vm.expectRevert(abi.encodeWithSelector(Proofs.NotProved.selector, rule));
        pots.proveFraud(rule, evidence);
    }

    function stream(uint32 seq, uint48 spent, uint16 payee, uint48 paid, uint16 k)
        private
        view
        returns (Message memory message)
    {
        message = plain(channel, seq, spent, payee, paid);
        message.kind = STREAM;
        message.seed = keccak256("seed");
        message.tickValue = 10;
        message.ticks = 20;
        message.k = k;
    }

    function test_E1_twoMessagesWithOneSeq() public {
        vm.expectEmit(address(pots));
        emit FraudProved(channel, E1, BOND, uint40(block.timestamp + 9 days), STRANGER);
        proves(E1, plain(channel, 7, 100, 0, 100), plain(channel, 7, 100, 1, 100), "another payee");
    }

    function test_E1_aVoucherAndAStreamWithOneSeq() public {
        proves(E1, plain(channel, 7, 100, 0, 100), stream(7, 100, 0, 100, 0), "another struct");
    }

    function test_E1_theSameMessageTwiceIsNone() public {
        refuses(E1, plain(channel, 7, 100, 0, 100), plain(channel, 7, 100, 0, 100));
        // The same stream with different ticks shown is the same message.
        refuses(E1, stream(7, 100, 0, 100, 3), stream(7, 100, 0, 100, 9));
        // So is the same voucher as another kind of row.
        Message memory other = plain(channel, 7, 100, 0, 100);
        other.kind = STATEMENT;
        refuses(E1, plain(channel, 7, 100, 0, 100), other);
    }

    function test_E1_differentSeqsAreNone() public {
        refuses(E1, plain(channel, 7, 100, 0, 100), plain(channel, 8, 100, 1, 100));
    }

    function test_E2_spentFalls() public {
        proves(E2, plain(channel, 1, 100, 0, 100), plain(channel, 2, 99, 1, 99), "spent falls");
    }

    function test_E2_openedRequestShowsTheBase() public {
        refuses(E2, plain(channel, 1, 100, 0, 100), plain(channel, 2, 150, 1, 60));
        proves(E2, plain(channel, 1, 100, 0, 100), opened(plain(channel, 2, 150, 1, 60), 60), "base is 90");
    }

    function test_E2_aLaneFalls() public {
        proves(E2, plain(channel, 1, 100, 0, 100), plain(channel, 2, 300, 0, 99), "lane falls");
    }

    function test_E2_aLaneStartsBelow() public {
        proves(E2, plain(channel, 1, 100, 0, 100), opened(plain(channel, 2, 300, 0, 120), 21), "base is 99");
    }

    function test_E2_honestNeighboursAreNone() public {
        refuses(E2, plain(channel, 1, 100, 0, 100), opened(plain(channel, 2, 160, 0, 160), 60));
        refuses(E2, plain(channel, 1, 100, 0, 100), opened(plain(channel, 2, 160, 1, 60), 60));
        // seqs between them are missing: other payees' vouchers
        refuses(E2, plain(channel, 1, 100, 0, 100), opened(plain(channel, 9, 900, 0, 130), 30));
        // one seq is E1's matter
        refuses(E2, plain(channel, 1, 100, 0, 100), plain(channel, 1, 50, 0, 50));
    }

    function test_E2_aStreamGoesOnAfterTheNextVoucher() public {
        // The stream ended at 3 ticks, says the later voucher; a fourth tick is shown.
        refuses(E2, stream(1, 100, 0, 100, 3), opened(plain(channel, 2, 140, 1, 10), 10));
        proves(E2, stream(1, 100, 0, 100, 4), opened(plain(channel, 2, 140, 1, 10), 10), "revealed after it closed");
    }

    function test_E2_aStreamThatStartsBelowAVoucher() public {
        // The base of a stream is what it signs, not what its ticks reach.
        refuses(E2, plain(channel, 1, 100, 0, 100), stream(2, 100, 0, 100, 20));
        proves(E2, plain(channel, 1, 100, 0, 100), stream(2, 99, 0, 99, 20), "starts below");
    }

    function test_E2_anAmountAboveSpentStartsAtNothing() public {
        proves(E2, plain(channel, 1, 1, 0, 1), opened(plain(channel, 2, 50, 1, 50), 51), "starts below zero");
    }

    function test_E3_lanesAboveSpent() public {
        refuses(E3, plain(channel, 1, 100, 0, 100), plain(channel, 2, 160, 1, 60));
        proves(E3, plain(channel, 1, 100, 0, 100), plain(channel, 2, 159, 1, 60), "160 paid, 159 spent");
    }

    function test_E3_oneMessageSuffices() public {
        bytes memory evidence = batch(plain(channel, 1, 99, 0, 100));
        pots.proveFraud(E3, evidence);
        holds(vault.readChannel(channel).slashed, "paid more than spent");
    }

    function test_E3_aLaneCountsOnceAtItsHighest() public {
        refuses(E3, plain(channel, 1, 100, 0, 100), plain(channel, 2, 150, 0, 150));
        refuses(E3, plain(channel, 2, 150, 0, 150), plain(channel, 1, 100, 0, 100));
    }

    function test_E3_listedLanesCount() public {
        Message memory message = plain(channel, 2, 100, 1, 0);
        message.kind = STATEMENT;
        message.list = new Entry[](1);
        message.list[0] = Entry(2, 100);
        proves(E3, plain(channel, 1, 100, 0, 100), message, "a friend in the list");
    }

    function test_E3_everyListedLaneCounts() public {
        Message memory message = plain(channel, 2, 100, 1, 10);
        message.kind = STATEMENT;
        message.list = new Entry[](2);
        message.list[0] = Entry(2, 20);
        message.list[1] = Entry(0, 70);
        bytes memory honest = batch(message);
        vm.expectPartialRevert(Proofs.NotProved.selector);
        pots.proveFraud(E3, honest);
        message.list[1].paid = 71;
        pots.proveFraud(E3, batch(message));
        holds(vault.readChannel(channel).slashed, "101 listed, 100 spent");
    }

    function test_E3_aLaneThatIsShownLowerLastCountsAtItsHighest() public {
        bytes memory evidence = batch(
            plain(channel, 1, 100, 0, 100), plain(channel, 2, 100, 0, 40), plain(channel, 3, 100, 1, 10)
        );
        pots.proveFraud(E3, evidence);
        holds(vault.readChannel(channel).slashed, "110 paid, 100 spent");
    }

    function test_E3_aListedLaneCountsAtItsHighest() public {
        Message memory message = plain(channel, 2, 100, 1, 10);
        message.kind = STATEMENT;
        message.list = new Entry[](1);
        message.list[0] = Entry(2, 5);
        // Lane 2 stood at 100 before; a list that names it lower takes nothing back.
        proves(E3, plain(channel, 1, 100, 2, 100), message, "110 paid, 100 spent");
    }

    function test_E3_aListAboveItsSpentProvesItself() public {
        Message memory message = plain(channel, 2, 100, 1, 1);
        message.kind = STATEMENT;
        message.list = new Entry[](1);
        message.list[0] = Entry(2, 100);
        pots.proveFraud(E3, batch(message));
        holds(vault.readChannel(channel).slashed, "it can't settle, but it proves");
    }

    function test_E3_threeMessages() public {
        bytes memory honest = batch(
            plain(channel, 1, 50, 0, 50), plain(channel, 2, 90, 1, 40), plain(channel, 3, 100, 2, 10)
        );
        vm.expectPartialRevert(Proofs.NotProved.selector);
        pots.proveFraud(E3, honest);
        bytes memory evidence = batch(
            plain(channel, 1, 50, 0, 50), plain(channel, 2, 90, 1, 40), plain(channel, 3, 99, 2, 10)
        );
        pots.proveFraud(E3, evidence);
        holds(vault.readChannel(channel).slashed, "only together");
    }

    function test_E3_revealedTicksCountOnBothSides() public {
        refuses(E3, stream(2, 100, 1, 0, 9), plain(channel, 1, 100, 0, 100));
    }

    function test_evidenceIsOfOnePayerAndOneChannel() public {
        uint32 other = openFor(0xb0b);
        Message memory foreign = plain(other, 7, 100, 0, 100);
        foreign.key = 0xb0b;
        for (uint8 rule = E1; rule <= E3; ++rule) {
            bytes memory evidence = batch(plain(channel, 7, 99, 0, 99), foreign);
            vm.expectPartialRevert(PotsBase.NotOfThisPayer.selector);
            pots.proveFraud(rule, evidence);
            Message memory forged = plain(channel, 7, 100, 1, 100);
            forged.key = 0xbad;
            evidence = batch(plain(channel, 7, 99, 0, 99), forged);
            vm.expectPartialRevert(PotsBase.NotOfThisPayer.selector);
            pots.proveFraud(rule, evidence);
            evidence = batch(forged, forged);
            vm.expectPartialRevert(PotsBase.NotOfThisPayer.selector);
            pots.proveFraud(rule, evidence);
        }
        // Two channels of one key: equal seqs there are honest.
        uint32 second = openFor(PAYER);
        bytes memory two = batch(plain(channel, 7, 100, 0, 100), plain(second, 7, 100, 1, 100));
        vm.expectPartialRevert(PotsBase.NotOfThisPayer.selector);
        pots.proveFraud(E1, two);
    }

    function test_unusableEvidenceIsNamed() public {
        bytes memory row = rowOf(stream(2, 100, 1, 0, 9));
        row[row.length - 1] ^= 0x01;
        bytes memory evidence = bytes.concat(header(), row, rowOf(plain(channel, 2, 1, 0, 1)));
        vm.expectRevert(abi.encodeWithSelector(PotsBase.BadEvidence.selector, Reasons.BAD_PREIMAGE));
        pots.proveFraud(E1, evidence);
        evidence = bytes.concat(header(), rowOf(plain(channel, 2, 1, 0, 1)), row);
        vm.expectRevert(abi.encodeWithSelector(PotsBase.BadEvidence.selector, Reasons.BAD_PREIMAGE));
        pots.proveFraud(E1, evidence);
    }

    function test_countsAndRulesAreChecked() public {
        bytes memory one = batch(plain(channel, 7, 100, 0, 100));
        vm.expectPartialRevert(Proofs.NotTwoMessages.selector);
        pots.proveFraud(E1, one);
        bytes memory three =
            batch(plain(channel, 7, 100, 0, 100), plain(channel, 7, 100, 1, 100), plain(channel, 8, 1, 0, 1));
        vm.expectPartialRevert(Proofs.NotTwoMessages.selector);
        pots.proveFraud(E2, three);
        for (uint8 rule = 0; rule < 6; rule += 4) {
            vm.expectPartialRevert(Proofs.UnknownRule.selector);
            pots.proveFraud(rule, one);
        }
        bytes memory nobody = batch(plain(99, 7, 100, 0, 100));
        vm.expectPartialRevert(VaultBase.UnknownChannel.selector);
        pots.proveFraud(E3, nobody);
    }

    function test_aBondIsLostOnce() public {
        proves(E1, plain(channel, 7, 100, 0, 100), plain(channel, 7, 100, 1, 100), "proved");
        bytes memory evidence = batch(plain(channel, 7, 100, 0, 100), plain(channel, 7, 100, 2, 100));
        vm.expectPartialRevert(Proofs.NoBond.selector);
        pots.proveFraud(E1, evidence);
        vm.expectPartialRevert(Channels.ChannelLeaving.selector);
        vault.topUp(channel, 100, 20);
    }

    /// The bond can't leave while vouchers may still prove a fraud: it stays through the whole delay of an exit.
    function test_theBondIsThereUntilTheExitIsDone() public {
        vm.prank(OWNER);
        vault.startExit(channel, address(0));
        vm.warp(block.timestamp + 20 days);
        proves(E1, plain(channel, 7, 100, 0, 100), plain(channel, 7, 100, 1, 100), "before it is finished");
        vault.finishExit(channel);
        same(token.balanceOf(OWNER), FUNDS, "the owner leaves without the bond");
        same(token.balanceOf(address(pots)), BOND, "which stays in its pot");
    }

    /// Nothing is left to hand over: the exit of a slashed and spent channel ends all the same.
    function test_aSlashedAndSpentChannelHasNoSuccessor() public {
        vault.settle(batch(plain(channel, 1, FUNDS, 0, FUNDS)));
        pots.proveFraud(E1, batch(plain(channel, 7, 100, 0, 100), plain(channel, 7, 100, 1, 100)));
        vm.prank(OWNER);
        vault.startExit(channel, vm.addr(6));
        vm.warp(block.timestamp + 15 days);
        vault.finishExit(channel);
        same(vault.channelCount(), 1, "no successor");
    }

    /// A replaced key's new channel has its full bond again, from what was free.
    function test_aSlashedChannelsSuccessorHasABond() public {
        pots.proveFraud(E1, batch(plain(channel, 7, 100, 0, 100), plain(channel, 7, 100, 1, 100)));
        vm.prank(OWNER);
        vault.startExit(channel, vm.addr(6));
        vm.warp(block.timestamp + 15 days);
        vault.finishExit(channel);
        same(vault.readChannel(2).deposited, FUNDS, "what was free");
        same(vault.readChannel(2).bond, FUNDS / 5, "a fifth of it is bond");
    }

    function test_afterTheExitThereIsNoBond() public {
        vm.prank(OWNER);
        vault.startExit(channel, address(0));
        vm.warp(block.timestamp + 15 days);
        vault.finishExit(channel);
        bytes memory evidence = batch(plain(channel, 7, 100, 0, 100), plain(channel, 7, 100, 1, 100));
        vm.expectPartialRevert(Proofs.NoBond.selector);
        pots.proveFraud(E1, evidence);
    }

    function test_aProofWorksDuringAFreeze() public {
        vm.prank(GUARDIAN);
        vault.freeze(7 days);
        proves(E1, plain(channel, 7, 100, 0, 100), plain(channel, 7, 100, 1, 100), "a cheater gains no time");
    }

    /// A random honest payer, any two or three of its messages, requests opened or not: never a proof.
    function testFuzz_anHonestPayerTripsNothing(uint256 seed) public {
        Message[] memory messages = new Message[](6);
        uint48 spent;
        uint48[3] memory paid;
        for (uint32 i = 0; i < 6; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint16 payee = uint16(seed % 3);
            uint48 amount = uint48((seed >> 8) % 50);
            if ((seed >> 16) % 3 == 0) {
                messages[i] = stream(i + 1, spent, payee, paid[payee], uint16((seed >> 24) % 21));
                amount = messages[i].k * 10;
            } else {
                messages[i] = plain(channel, i + 1, spent + amount, payee, paid[payee] + amount);
                if ((seed >> 32) % 2 == 0) messages[i] = opened(messages[i], amount);
                if ((seed >> 40) % 2 == 0) {
                    messages[i].kind = (messages[i].kind & 0xf0) | STATEMENT;
                    messages[i].list = new Entry[](2);
                    messages[i].list[0] = Entry((payee + 1) % 3, paid[(payee + 1) % 3]);
                    messages[i].list[1] = Entry((payee + 2) % 3, paid[(payee + 2) % 3]);
                }
            }
            spent += amount;
            paid[payee] += amount;
        }
        for (uint256 i = 0; i < 6; ++i) {
            for (uint256 j = 0; j < 6; ++j) {
                if (i == j) continue;
                bytes memory evidence = batch(messages[i], messages[j]);
                for (uint8 rule = E1; rule <= E3; ++rule) {
                    vm.expectRevert(abi.encodeWithSelector(Proofs.NotProved.selector, rule));
                    pots.proveFraud(rule, evidence);
                }
            }
        }
        bytes memory all = batch(messages[seed % 6], messages[(seed >> 8) % 6], messages[(seed >> 16) % 6]);
        vm.expectPartialRevert(Proofs.NotProved.selector);
        pots.proveFraud(E3, all);
    }
}

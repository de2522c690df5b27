// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims} from "../src/pots/Claims.sol";
import {PotsBase} from "../src/pots/PotsBase.sol";
import {Proofs} from "../src/pots/Proofs.sol";
import {Reasons} from "../src/vault/Reasons.sol";
import {VaultBase} from "../src/vault/VaultBase.sol";
import {Kit} from "./Kit.sol";

/// @notice A vault that is years old: channels, payees and seqs above 16 bits do what the first ones do.
/// Not checked here: what rows, proofs and pots do besides (Settlement, Fraud, Pots).
contract LargeNumbersTest is Kit {
    uint32 private channel;

    function setUp() public {
        build();
        count(vault.channelCount, 70_000);
        channel = openFor(PAYER);
        same(channel, 70_001, "number of the channel");
    }

    /// Sets what a getter of the vault counts, wherever the vault keeps it.
    function count(function() external view returns (uint32) getter, uint32 value) private {
        // At any byte of the first slots that leaves room for it.
        for (uint256 at = 0; at < 29 * 64; ++at) {
            bytes32 slot = bytes32(at / 29);
            uint256 shift = 8 * (at % 29);
            uint256 before = uint256(vm.load(address(vault), slot));
            if (uint32(before >> shift) != getter()) continue;
            uint256 others = before & ~(uint256(type(uint32).max) << shift);
            vm.store(address(vault), slot, bytes32(others | (uint256(value) << shift)));
            if (getter() == value) return;
            vm.store(address(vault), slot, bytes32(before));
        }
        revert("the vault keeps no such count");
    }

    function statement(uint32 seq) private view returns (Message memory message) {
        message = plain(channel, seq, 600, 0, 100);
        message.kind = STATEMENT;
        message.list = new Entry[](2);
        message.list[0] = Entry(1, 200);
        message.list[1] = Entry(2, 300);
    }

    function test_rowsOfALargeChannel() public {
        uint32 next = openFor(PAYER);
        expect(plain(channel, 1, 50, 0, 50), Reasons.APPLIED, 50, "plain path");
        Outcome[] memory outcomes = settle(batch(statement(4)));
        same(outcomes[0].moved, 50, "own lane");
        same(outcomes[1].moved, 200, "first listed");
        same(outcomes[2].moved, 300, "second listed");
        expect(credit(plain(channel, 4, 600, 0, 100), 100, 40), Reasons.APPLIED, 40, "credit");
        expect(credit(plain(channel, 4, 600, 0, 100), 100, 50), Reasons.APPLIED, 10, "more of it");
        same(vault.readChannel(channel).credited, 50, "credited");
        same(free(channel), FUNDS - 550, "free");
        same(free(next), FUNDS, "another channel of the same payer");
    }

    function test_creditsAboveThirtyTwoBits() public {
        uint48 large = 2 ** 40;
        uint32 rich = vault.open(OWNER, vm.addr(PAYER), 2 * large, large);
        Message memory message = opened(plain(rich, 1, large, 0, large), large);
        expect(message, Reasons.APPLIED, large, "paid");
        Message memory back = credit(plain(rich, 1, large, 0, large), large, large - 1);
        expect(back, Reasons.APPLIED, large - 1, "given back");
        same(vault.creditOf(digestOf(message)), large - 1, "all of it is known");
        expect(back, Reasons.CREDIT_STALE, 0, "once");
    }

    function test_largeSeqs() public {
        expect(plain(channel, 70_002, 50, 0, 50), Reasons.APPLIED, 50, "plain path");
        same(settle(batch(statement(70_004)))[2].moved, 300, "general path");
    }

    function test_proofsAgainstALargeChannel() public {
        for (uint8 rule = 1; rule <= 3; ++rule) {
            uint32 next = openFor(PAYER);
            bytes memory evidence = rule == 1
                ? batch(plain(next, 1, 100, 0, 100), plain(next, 1, 100, 1, 100))
                : rule == 2
                ? batch(plain(next, 1, 100, 0, 100), opened(plain(next, 2, 150, 1, 100), 100))
                : batch(plain(next, 1, 100, 0, 100), plain(next, 2, 150, 1, 60));
            pots.proveFraud(rule, evidence);
            holds(vault.readChannel(next).slashed, "slashed");
            same(pots.readPot(next).bond, BOND, "its own pot");
        }
        holds(!vault.readChannel(channel).slashed, "and no other");
        bytes memory foreign = batch(plain(channel, 1, 100, 0, 100), plain(channel + 1, 1, 90, 0, 90));
        vm.expectRevert(abi.encodeWithSelector(PotsBase.NotOfThisPayer.selector, channel + 1, signerOf(PAYER)));
        pots.proveFraud(1, foreign);
    }

    function test_aPotOfALargeChannel() public {
        for (uint16 i = 0; i < 3; ++i) {
            vm.prank(OPERATOR);
            registry.accredit(id(i), 2);
        }
        vm.warp(block.timestamp + 2 hours);
        vault.settle(batch(plain(channel, 1, FUNDS, 2, FUNDS)));
        pots.proveFraud(1, batch(plain(channel, 1, 30_000, 0, 30_000), plain(channel, 1, 10_000, 1, 10_000)));
        bytes memory wide = leaseBytes(wideLease(channel, 35_000));
        pots.registerShortfall(batch(opened(plain(channel, 1, 30_000, 0, 30_000), 30_000)), wide);
        pots.registerShortfall(batch(opened(plain(channel, 1, 10_000, 1, 10_000), 10_000)), wide);
        same(pots.readPot(channel).sum2, 40_000, "claimed");
        pots.registerShortfall(
            batch(
                opened(plain(channel, 2, 30_000, 0, 30_000), 30_000),
                opened(plain(channel, 3, 30_000, 0, 30_000), 7)
            ),
            ""
        );
        same(pots.readClaim(channel, id(0)).overlap, 7, "what was taken twice");
        vm.warp(block.timestamp + 11 days);
        pots.collectShare(channel, id(0));
        pots.collectShare(channel, id(1));
        same(vault.settled(channel, id(0)), 30_000, "the first is made whole");
        same(vault.settled(channel, id(1)), 10_000, "and the second");
    }

    /// A share above 32 bits, in money and in what is told of it.
    function test_aLargeShare() public {
        uint48 large = 2 ** 33;
        channel = vault.open(OWNER, signerOf(PAYER), 3 * large, large);
        vm.prank(OPERATOR);
        registry.accredit(id(0), 2);
        vm.warp(block.timestamp + 2 hours);
        settle(batch(plain(channel, 100, 2 * large, 2, 2 * large)));
        pots.proveFraud(1, batch(plain(channel, 1, 1, 0, 1), plain(channel, 1, 1, 1, 1)));
        bytes memory wide = leaseBytes(wideLease(channel, large));
        pots.registerShortfall(batch(opened(plain(channel, 1, large, 0, large), large)), wide);
        vm.warp(block.timestamp + 11 days);
        vm.expectEmit(address(pots));
        emit Claims.ShareCollected(channel, id(0), large, large, 0);
        pots.collectShare(channel, id(0));
        same(vault.settled(channel, id(0)), large, "made whole");
    }

    function test_aLargePayeeThatIsNone() public {
        bytes memory rows = abi.encodePacked(uint8(1), uint16(1), uint32(70_009));
        vm.expectRevert(abi.encodeWithSelector(VaultBase.UnknownPayee.selector, uint32(70_009)));
        vault.settle(rows);
    }

    /// Lanes of payees above 16 bits, on the first page of a purse and behind it.
    function test_largePayees() public {
        count(vault.payeeCount, 70_000);
        uint16 last = 10;
        bytes memory head = abi.encodePacked(uint8(1), last + 1, uint32(1), uint32(2), uint32(3));
        for (uint16 i = 3; i <= last; ++i) {
            uint32 payee = vault.registerPayee(payeeAt(i));
            same(payee, 69_998 + i, "id");
            head = bytes.concat(head, abi.encodePacked(payee));
        }
        for (uint48 round = 1; round <= 2; ++round) {
            bytes memory rows = head;
            for (uint16 i = 3; i <= last; ++i) {
                rows = bytes.concat(rows, rowOf(plain(channel, 1, 10_000, i, round * (10 + i))));
            }
            Outcome[] memory outcomes = settle(rows);
            for (uint16 i = 3; i <= last; ++i) {
                same(outcomes[i - 3].moved, 10 + i, "moved");
                same(vault.settled(channel, 69_998 + i), round * (10 + i), "settled");
                same(vault.settled(channel, uint16(69_998 + uint32(i))), 0, "its low half");
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Reasons} from "../src/vault/Reasons.sol";
import {Rows} from "../src/vault/Rows.sol";
import {VaultBase} from "../src/vault/VaultBase.sol";
import {Kit} from "./Kit.sol";

/// @notice Each row kind, each reason, and that a bad row harms nobody else.
contract SettlementTest is Kit {
    uint32 private channel;
    // A key whose number tells signerOf that it is P-256.
    uint256 private constant SECURE_ELEMENT = (1 << 201) + 7;

    function setUp() public {
        build();
        channel = openFor(PAYER);
    }

    function test_plainPaysThePayeeNamedAndOnlyOnce() public {
        expect(plain(channel, 1, 100, 0, 100), Reasons.APPLIED, 100, "first");
        same(balance(0), 100, "payee's balance");
        same(free(channel), FUNDS - 100, "free");
        same(vault.settled(channel, id(0)), 100, "lane");
        expect(plain(channel, 1, 100, 0, 100), Reasons.STALE, 0, "replay");
        expect(plain(channel, 2, 150, 0, 150), Reasons.APPLIED, 50, "newer");
        expect(plain(channel, 1, 100, 0, 100), Reasons.STALE, 0, "older");
        expect(plain(channel, 2, 150, 0, 149), Reasons.STALE, 0, "one below");
        same(balance(0), 150, "balance in the end");
        conserved();
    }

    function test_aForgedRowIsSkippedWhateverItSays() public {
        Message memory forged = plain(channel, 1, 500, 0, 500);
        forged.key = 0xbad;
        expect(forged, Reasons.UNKNOWN_SIGNER, 0, "another key");
        Message memory other = plain(channel + 1, 1, 500, 0, 500);
        expect(other, Reasons.UNKNOWN_SIGNER, 0, "another channel number");
        same(free(channel), FUNDS, "nothing moved");
    }

    function test_everyFieldIsSigned() public {
        bytes memory good = rowOf(plain(channel, 1, 500, 0, 500));
        // channel, seq, spent, payee, paid, request: one bit of each byte but the kind and the payee's high byte.
        for (uint256 i = 1; i < 55; ++i) {
            if (i == 15) continue;
            bytes memory bent = bytes.concat(good);
            bent[i] = bytes1(uint8(bent[i]) ^ 1);
            uint8 reason = settle(bytes.concat(header(), bent))[0].reason;
            holds(reason == Reasons.UNKNOWN_SIGNER, "a bent byte finds no purse");
        }
        same(free(channel), FUNDS, "nothing moved");
    }

    function test_highSIsRefusedOnBothPaths() public {
        // A real high s below 2^255, which the compact form could carry, needs luck of one in 2^129; this one is made.
        bytes memory made = abi.encodePacked(bytes32(uint256(1)), bytes32(uint256(1 << 255) - 1));
        for (uint8 kind = PLAIN; kind <= LANES; ++kind) {
            Message memory message = plain(channel, 1, 1, 0, 1);
            message.kind = kind;
            same(
                settle(bytes.concat(header(), rowOf(message, made)))[0].reason, Reasons.BAD_SIGNATURE, "made high s"
            );
            bytes memory zero = abi.encodePacked(bytes32(0), bytes32(0));
            same(
                settle(bytes.concat(header(), rowOf(message, zero)))[0].reason, Reasons.BAD_SIGNATURE, "zero signature"
            );
        }
    }

    /// The highest s that is still low. No key signs it by luck, so the key is made for it: with the nonce 1, the key
    /// is (s - digest) / r.
    function test_theHighestLowSCounts() public {
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        uint256 r = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798;
        uint256 s = order / 2;
        for (uint8 kind = PLAIN; kind <= LANES; ++kind) {
            Message memory message = plain(channel + kind, 1, 60, 0, 60);
            message.kind = kind;
            uint256 digest = uint256(digestOf(message));
            uint256 key = mulmod(addmod(s, order - digest % order, order), inverse(r, order), order);
            same(vault.open(OWNER, vm.addr(key), DEPOSIT, BOND), channel + kind, "the channel signed for");
            bytes memory signature = abi.encodePacked(r, s);
            same(settle(bytes.concat(header(), rowOf(message, signature)))[0].moved, 60, "settled");
        }
    }

    /// a to the power of m - 2: the inverse modulo a prime.
    function inverse(uint256 a, uint256 m) private pure returns (uint256 power) {
        power = 1;
        for (uint256 left = m - 2; left != 0; left >>= 1) {
            if (left & 1 != 0) power = mulmod(power, a, m);
            a = mulmod(a, a, m);
        }
    }

    function test_paysPartlyThenTheRestAfterATopUp() public {
        expect(plain(channel, 1, FUNDS + 50, 0, FUNDS + 50), Reasons.PARTLY, FUNDS, "all that is free");
        same(free(channel), 0, "nothing free");
        expect(plain(channel, 1, FUNDS + 50, 0, FUNDS + 50), Reasons.NO_FUNDS, 0, "no funds");
        expect(plain(channel, 1, 10, 1, 10), Reasons.NO_FUNDS, 0, "no funds, new lane");
        vault.topUp(channel, 100, 20);
        expect(plain(channel, 1, FUNDS + 50, 0, FUNDS + 50), Reasons.APPLIED, 50, "the rest");
        same(free(channel), 30, "free after");
        same(vault.readChannel(channel).bond, BOND + 20, "the bond was never touched");
        conserved();
    }

    function test_exactlyWhatIsFree() public {
        expect(plain(channel, 1, FUNDS, 0, FUNDS), Reasons.APPLIED, FUNDS, "to the last unit");
        same(free(channel), 0, "nothing free");
    }

    function test_lanesAreOpaqueToTheChain() public {
        Message memory message = plain(channel, 3, 900, 1, 70);
        message.kind = LANES;
        message.lanes = bytes16(keccak256("a list that nobody shows"));
        expect(message, Reasons.APPLIED, 70, "own lane");
        same(vault.settled(channel, id(0)), 0, "no other lane");
    }

    function test_statementSettlesAllItLists() public {
        Message memory message = plain(channel, 4, 600, 0, 100);
        message.kind = STATEMENT;
        message.list = new Entry[](2);
        message.list[0] = Entry(1, 200);
        message.list[1] = Entry(2, 300);
        Outcome[] memory outcomes = settle(batch(message));
        same(outcomes.length, 3, "three lanes");
        same(outcomes[0].moved, 100, "own");
        same(outcomes[1].moved, 200, "first listed");
        same(outcomes[2].moved, 300, "second listed");
        same(outcomes[2].payee, id(2), "payee of the second listed");
        same(balance(0), 100, "balance 0");
        same(balance(1), 200, "balance 1");
        same(balance(2), 300, "balance 2");
        same(free(channel), FUNDS - 600, "free");
        outcomes = settle(batch(message));
        for (uint256 i = 0; i < 3; ++i) {
            same(outcomes[i].reason, Reasons.STALE, "replay of a statement");
        }
        conserved();
    }

    function test_statementWithoutOthersIsAPlainVoucher() public {
        Message memory message = plain(channel, 1, 100, 0, 100);
        message.kind = STATEMENT;
        expect(message, Reasons.APPLIED, 100, "empty list");
        expect(plain(channel, 1, 100, 0, 100), Reasons.STALE, 0, "the same message");
    }

    function test_statementAboveItsSpentIsSkippedWhole() public {
        Message memory message = plain(channel, 4, 599, 0, 100);
        message.kind = STATEMENT;
        message.list = new Entry[](2);
        message.list[0] = Entry(1, 200);
        message.list[1] = Entry(2, 300);
        Outcome[] memory outcomes = settle(batch(message));
        for (uint256 i = 0; i < 3; ++i) {
            same(outcomes[i].reason, Reasons.LIST_ABOVE_SPENT, "all lanes");
        }
        same(free(channel), FUNDS, "nothing moved");
        message.spent = 600;
        same(settle(batch(message))[1].reason, Reasons.APPLIED, "exactly its spent");
    }

    function test_alteredListFindsNoPurse() public {
        Message memory message = plain(channel, 4, 600, 0, 100);
        message.kind = STATEMENT;
        message.list = new Entry[](1);
        message.list[0] = Entry(1, 200);
        bytes memory signature = signatureOf(message);
        message.list[0].paid = 201;
        Outcome[] memory outcomes = settle(bytes.concat(header(), rowOf(message, signature)));
        same(outcomes[0].reason, Reasons.UNKNOWN_SIGNER, "own lane");
        same(outcomes[1].reason, Reasons.UNKNOWN_SIGNER, "listed lane");
    }

    function test_statementStopsWhereTheMoneyEnds() public {
        Message memory message = plain(channel, 4, FUNDS * 2, 0, FUNDS - 10);
        message.kind = STATEMENT;
        message.list = new Entry[](2);
        message.list[0] = Entry(1, 30);
        message.list[1] = Entry(2, 5);
        Outcome[] memory outcomes = settle(batch(message));
        same(outcomes[0].reason, Reasons.APPLIED, "own");
        same(outcomes[1].reason, Reasons.PARTLY, "partly");
        same(outcomes[1].moved, 10, "what was left");
        same(outcomes[2].reason, Reasons.NO_FUNDS, "nothing left");
        conserved();
    }

    function stream(uint16 k) private view returns (Message memory message) {
        message = plain(channel, 2, 1000, 1, 400);
        message.kind = STREAM;
        message.seed = keccak256("seed");
        message.tickValue = 7;
        message.ticks = 256;
        message.k = k;
    }

    function test_streamPaysTheRevealedTicks() public {
        expect(stream(0), Reasons.APPLIED, 400, "no tick: the state before the first");
        expect(stream(1), Reasons.APPLIED, 7, "one tick");
        expect(stream(256), Reasons.APPLIED, 255 * 7, "all ticks");
        expect(stream(255), Reasons.STALE, 0, "fewer ticks");
        conserved();
    }

    function test_streamNeedsItsPreimage() public {
        Message memory message = stream(5);
        bytes memory row = rowOf(message);
        row[row.length - 1] ^= 0x01;
        same(settle(bytes.concat(header(), row))[0].reason, Reasons.BAD_PREIMAGE, "a wrong preimage");
        // k one higher with the same preimage
        row = rowOf(message);
        row[160] = bytes1(uint8(row[160]) + 1);
        same(settle(bytes.concat(header(), row))[0].reason, Reasons.BAD_PREIMAGE, "one tick too many");
        row = rowOf(message);
        row[159] = 0x01;
        row[160] = 0x01;
        same(settle(bytes.concat(header(), row))[0].reason, Reasons.BAD_TICKS, "k above ticks");
        same(vault.settled(channel, id(1)), 0, "nothing moved");
    }

    function test_streamOfTooManyTicksIsSkipped() public {
        Message memory message = stream(3);
        message.ticks = 257;
        expect(message, Reasons.BAD_TICKS, 0, "257 ticks");
    }

    function test_streamThatOverflowsIsSkipped() public {
        Message memory message = stream(2);
        message.tickValue = type(uint48).max;
        expect(message, Reasons.OVERFLOW, 0, "paid leaves 48 bits");
        message = stream(1);
        message.spent = type(uint48).max;
        message.paid = 0;
        expect(message, Reasons.OVERFLOW, 0, "spent leaves 48 bits");
        message = stream(1);
        message.spent = 0;
        message.paid = type(uint48).max - 6;
        expect(message, Reasons.OVERFLOW, 0, "paid alone leaves 48 bits");
        message.paid = type(uint48).max - 7;
        expect(message, Reasons.PARTLY, FUNDS, "the largest that fits");
        channel = openFor(PAYER);
        message = stream(1);
        message.spent = type(uint48).max - 7;
        message.paid = 0;
        expect(message, Reasons.APPLIED, 7, "the largest spent that fits");
    }

    function test_p256Payer() public {
        uint32 secure = openFor(SECURE_ELEMENT);
        Message memory message = plain(secure, 1, 90, 2, 90);
        message.key = SECURE_ELEMENT;
        expect(message, Reasons.APPLIED, 90, "P-256");
        bytes memory row = rowOf(message);
        row[60] ^= 0x01;
        same(settle(bytes.concat(header(), row))[0].reason, Reasons.BAD_SIGNATURE, "bent r");
        row = rowOf(message);
        row[row.length - 1] ^= 0x01;
        same(settle(bytes.concat(header(), row))[0].reason, Reasons.BAD_SIGNATURE, "not a point");
        // A P-256 key that nobody opened a channel for.
        message.key = SECURE_ELEMENT + 1;
        expect(message, Reasons.UNKNOWN_SIGNER, 0, "a stranger's key");
    }

    function test_p256OfAllKinds() public {
        uint32 secure = openFor(SECURE_ELEMENT);
        Message memory message = plain(secure, 1, 400, 2, 90);
        message.key = SECURE_ELEMENT;
        message.kind = STATEMENT;
        message.list = new Entry[](1);
        message.list[0] = Entry(0, 10);
        same(settle(batch(message))[1].moved, 10, "statement");
        message = stream(4);
        message.channel = secure;
        message.key = SECURE_ELEMENT;
        expect(message, Reasons.APPLIED, 428, "stream");
        message = plain(secure, 3, 500, 2, 91);
        message.key = SECURE_ELEMENT;
        message.kind = LANES;
        message.lanes = bytes16(uint128(5));
        expect(message, Reasons.APPLIED, 1, "lanes");
    }

    function test_aBadRowSinksNothing() public {
        Message memory bad = plain(channel, 1, 500, 0, 500);
        bad.key = 0xbad;
        Message memory good = plain(channel, 1, 60, 0, 60);
        Message memory stale = plain(channel, 1, 60, 0, 60);
        Outcome[] memory outcomes = settle(batch(bad, good, stale));
        same(outcomes[0].reason, Reasons.UNKNOWN_SIGNER, "bad");
        same(outcomes[1].moved, 60, "good");
        same(outcomes[2].reason, Reasons.STALE, "stale");
        outcomes = settle(
            bytes.concat(
                header(), rowOf(plain(channel, 2, 70, 1, 10)), rowOf(stream(9)), rowOf(bad), rowOf(plain(channel, 4, 2000, 2, 3))
            )
        );
        same(outcomes[0].moved, 10, "row 0");
        same(outcomes[1].moved, 463 - 10, "row 1");
        same(outcomes[2].moved, 0, "row 2");
        same(outcomes[3].moved, 3, "row 3");
        conserved();
    }

    /// The first lanes stand in packed pages, later ones in slots of their own; every one keeps its own amount.
    function test_fortyLanes() public {
        uint32[] memory ids = new uint32[](40);
        uint256 sum;
        for (uint16 i = 0; i < 40; ++i) {
            ids[i] = vault.registerPayee(payeeAt(i));
        }
        for (uint48 round = 1; round <= 2; ++round) {
            for (uint16 i = 0; i < 40; ++i) {
                Message memory message = plain(channel, 1, 50_000, i, round * (100 + i));
                message.payee = i;
                bytes memory row = rowOf(message);
                row[15] = 0;
                row[16] = 0;
                vault.settle(bytes.concat(abi.encodePacked(uint8(1), uint16(1), ids[i]), row));
                sum += 100 + i;
                same(balance(i), round * (100 + i), "balance");
            }
        }
        for (uint16 i = 0; i < 40; ++i) {
            same(vault.settled(channel, ids[i]), 2 * (100 + i), "lane");
        }
        same(free(channel), FUNDS - sum, "free");
        conserved();
    }

    function test_framingIsTheSubmittersAndReverts() public {
        bytes memory row = rowOf(plain(channel, 1, 60, 0, 60));
        bytes memory cut = new bytes(row.length - 1);
        for (uint256 i = 0; i < cut.length; ++i) {
            cut[i] = row[i];
        }
        vm.expectPartialRevert(Rows.TruncatedRow.selector);
        vault.settle(bytes.concat(header(), cut));
        vm.expectRevert(abi.encodeWithSelector(Rows.UnknownFormat.selector, uint256(2)));
        vault.settle(hex"020000");
        vm.expectPartialRevert(Rows.TruncatedRow.selector);
        vault.settle("");
        vm.expectPartialRevert(Rows.TruncatedRow.selector);
        vault.settle(hex"0100");
        vm.expectPartialRevert(Rows.TruncatedRow.selector);
        vault.settle(hex"010002000000010000");
        vm.expectPartialRevert(Rows.PayeesNotRising.selector);
        vault.settle(hex"0100020000000100000001");
        vm.expectPartialRevert(Rows.PayeesNotRising.selector);
        vault.settle(hex"0100020000000200000001");
        vm.expectPartialRevert(Rows.PayeesNotRising.selector);
        vault.settle(hex"01000100000000");
        vm.expectPartialRevert(VaultBase.UnknownPayee.selector);
        vault.settle(hex"01000100000099");
        uint8[8] memory kinds = [0, 5, 15, 0x10, 0x15, 0x41, 0x63, 0x71];
        for (uint256 i = 0; i < kinds.length; ++i) {
            bytes memory wrong = bytes.concat(row, new bytes(300));
            wrong[0] = bytes1(kinds[i]);
            // The first row behind selector, offset, length and header is the one to blame, not the zeros behind it.
            vm.expectRevert(abi.encodeWithSelector(Rows.UnknownRow.selector, kinds[i], 4 + 64 + header().length));
            vault.settle(bytes.concat(header(), wrong));
        }
        row[16] = 0x03;
        vm.expectPartialRevert(Rows.UnknownPayeeIndex.selector);
        vault.settle(bytes.concat(header(), row));
        row[0] = 0x03;
        row[16] = 0x00;
        vm.expectPartialRevert(Rows.ListTooLong.selector);
        vault.settle(bytes.concat(header(), row, hex"21", new bytes(33 * 8)));
        bytes memory list = bytes.concat(row, hex"01", hex"0003000000000001");
        vm.expectPartialRevert(Rows.UnknownPayeeIndex.selector);
        vault.settle(bytes.concat(header(), list));
    }

    /// A cut row isn't completed from what stands behind the batch, wherever in the batch it is.
    function test_aCutRowBehindGoodOnesReverts() public {
        bytes memory rows = header();
        for (uint48 i = 1; i < 5; ++i) {
            rows = bytes.concat(rows, rowOf(plain(channel, uint32(i), i * 10, 0, i * 10)));
        }
        for (uint256 missing = 1; missing < 119; missing += 13) {
            bytes memory cut = new bytes(rows.length - missing);
            for (uint256 j = 0; j < cut.length; ++j) {
                cut[j] = rows[j];
            }
            vm.expectPartialRevert(Rows.TruncatedRow.selector);
            vault.settle(cut);
        }
        same(settle(rows).length, 4, "whole");
        // A row of an unknown payee index behind good ones.
        rows[rows.length - 119 + 16] = 0x03;
        vm.expectPartialRevert(Rows.UnknownPayeeIndex.selector);
        vault.settle(rows);
    }

    /// Usual rows take the written-out path: the general one gives the same outcome for 1,900 gas more.
    function test_usualRowsTakeTheFastPath() public {
        uint32 twin = openFor(PAYER);
        for (uint48 round = 1; round < 4; ++round) {
            // Two payees: both places of page 0, first new and then seen.
            for (uint16 payee = 0; payee < 2; ++payee) {
                bytes memory fast = batch(plain(channel, 1, 5000, payee, round * 10));
                Message memory same_ = plain(twin, 1, 5000, payee, round * 10);
                same_.kind = LANES;
                bytes memory general = batch(same_);
                uint256 before = gasleft();
                vault.settle(fast);
                uint256 fastGas = before - gasleft();
                before = gasleft();
                vault.settle(general);
                uint256 generalGas = before - gasleft();
                if (round > 1) holds(fastGas + 1600 < generalGas, "the fast path was not taken");
            }
        }
        same(vault.settled(channel, id(1)), vault.settled(twin, id(1)), "same outcome");
    }

    function test_everyKindIsRefusedWhenCut() public {
        Message[4] memory messages = [plain(channel, 1, 60, 0, 60), plain(channel, 1, 60, 0, 60), plain(channel, 1, 60, 0, 60), stream(3)];
        messages[0].kind = LANES;
        messages[1].kind = STATEMENT;
        messages[1].list = new Entry[](2);
        messages[2] = credit(messages[2], 60, 30);
        for (uint256 i = 0; i < 4; ++i) {
            bytes memory row = rowOf(messages[i]);
            for (uint256 missing = 1; missing < 20; missing += 6) {
                bytes memory cut = new bytes(row.length - missing);
                for (uint256 j = 0; j < cut.length; ++j) {
                    cut[j] = row[j];
                }
                vm.expectPartialRevert(Rows.TruncatedRow.selector);
                vault.settle(bytes.concat(header(), cut));
            }
        }
    }

    /// The storage layout as it is documented: an indexer or a recovery tool may read it without the vault's code.
    function test_purseLayout() public {
        for (uint16 i = 3; i < 13; ++i) {
            vault.registerPayee(payeeAt(i));
        }
        uint256 base = uint256(keccak256(abi.encode((uint256(channel) << 160) | uint160(vm.addr(PAYER)), 0)));
        for (uint16 i = 0; i < 13; ++i) {
            bytes memory row = rowOf(plain(channel, 1, 5000, i, 100 + i));
            row[15] = 0;
            row[16] = 0;
            vault.settle(bytes.concat(abi.encodePacked(uint8(1), uint16(1), id(i)), row));
        }
        uint256 page0 = uint256(vm.load(address(vault), bytes32(base)));
        same(page0 >> 208, 1, "open flag");
        same((page0 >> 160) & 0xffffffffffff, free(channel), "free");
        for (uint256 i = 0; i < 11; ++i) {
            uint256 page = i < 2 ? 0 : 1 + (i - 2) / 3;
            uint256 place = i < 2 ? i : (i - 2) % 3;
            uint256 word = uint256(vm.load(address(vault), bytes32(base + page))) >> (80 * place);
            same(word & 0xffffffff, i + 1, "payee id in its page");
            same((word >> 32) & 0xffffffffffff, 100 + i, "settled in its page");
        }
        for (uint256 i = 11; i < 13; ++i) {
            uint256 word = uint256(vm.load(address(vault), keccak256(abi.encode(i + 1, base))));
            same(word, ((100 + i) << 32) | (i + 1), "a lane of its own");
        }
        same(uint256(vm.load(address(vault), bytes32(base + 4))), 0, "no fifth page");
    }

    function test_anEmptyBatchDoesNothing() public {
        same(settle(hex"010000").length, 0, "no outcomes");
    }

    function test_theListMayHold32Lanes() public {
        Message memory message = plain(channel, 4, 60_000, 0, 100);
        message.kind = STATEMENT;
        message.list = new Entry[](32);
        for (uint16 i = 0; i < 32; ++i) {
            vault.registerPayee(payeeAt(i));
            message.list[i] = Entry(i, 100 + i);
        }
        bytes memory head = abi.encodePacked(uint8(1), uint16(32));
        for (uint32 i = 1; i <= 32; ++i) {
            head = abi.encodePacked(head, i);
        }
        Outcome[] memory outcomes = settle(bytes.concat(head, rowOf(message), rowOf(message)));
        same(outcomes.length, 66, "outcomes");
        for (uint16 i = 0; i < 32; ++i) {
            same(vault.settled(channel, id(i)), 100 + i, "lane");
            same(outcomes[i + 1].reason, i == 0 ? Reasons.STALE : Reasons.APPLIED, "first time");
            same(outcomes[i + 34].reason, Reasons.STALE, "second time");
        }
        conserved();
    }

    /// The fast path for plain rows and the general path are the same function: a row of kind LANES whose lanes are
    /// zero is the same message, and takes the general path.
    function testFuzz_bothPathsAgree(uint256 seed) public {
        for (uint16 i = 3; i < 7; ++i) {
            vault.registerPayee(payeeAt(i));
        }
        bytes memory head = abi.encodePacked(
            uint8(1), uint16(7), uint32(1), uint32(2), uint32(3), uint32(4), uint32(5), uint32(6), uint32(7)
        );
        uint32 twin = vault.open(OWNER, vm.addr(PAYER), DEPOSIT, BOND);
        bytes memory fast = head;
        bytes memory general = head;
        for (uint256 i = 0; i < 14; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            Message memory message =
                plain(channel, uint32(i), uint48(seed >> 8), uint16(seed % 7), uint48((seed >> 64) % (FUNDS / 2)));
            if (seed >> 252 == 0) message.key = 0xbad;
            if (seed >> 252 == 1) message.channel = 77;
            bool bent = seed >> 252 == 2;
            bytes memory signature = signatureOf(message);
            if (bent) signature = new bytes(64);
            fast = bytes.concat(fast, rowOf(message, signature));
            if (message.channel == channel) message.channel = twin;
            message.kind = LANES;
            if (!bent) signature = signatureOf(message);
            general = bytes.concat(general, rowOf(message, signature));
        }
        Outcome[] memory a = settle(fast);
        uint48[] memory before = new uint48[](7);
        for (uint16 i = 0; i < 7; ++i) {
            before[i] = balance(i);
        }
        Outcome[] memory b = settle(general);
        same(a.length, b.length, "outcomes");
        for (uint256 i = 0; i < a.length; ++i) {
            same(a[i].reason, b[i].reason, "reason");
            same(a[i].moved, b[i].moved, "moved");
            same(a[i].payee, b[i].payee, "payee");
        }
        for (uint16 i = 0; i < 7; ++i) {
            same(vault.settled(channel, id(i)), vault.settled(twin, id(i)), "lane");
            same(balance(i), 2 * before[i], "balance");
        }
        same(free(channel), free(twin), "free");
        conserved();
    }

    /// Whatever is settled in whatever order: each lane ends at the highest amount signed, and money is conserved.
    function testFuzz_anyOrderOfVouchers(uint256 seed, uint8 count) public {
        uint48[3] memory highest;
        for (uint256 i = 0; i < uint256(count) % 24 + 1; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            Message memory message = plain(channel, uint32(seed >> 32), FUNDS, uint16(seed % 3), uint48((seed >> 64) % (FUNDS / 3)));
            if (message.paid > highest[message.payee]) highest[message.payee] = message.paid;
            vault.settle(batch(message));
        }
        for (uint16 i = 0; i < 3; ++i) {
            same(vault.settled(channel, id(i)), highest[i], "lane is at its highest voucher");
            same(balance(i), highest[i], "balance");
        }
        conserved();
    }
}

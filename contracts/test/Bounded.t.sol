// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Channels} from "../src/vault/Channels.sol";
import {Kit} from "./Kit.sol";

/// @notice Every history of a small world up to a length, not a sample of them: one channel, three payees, every kind of row,
/// both lanes, top-up, exit, proof and withdrawal. After each act the money is counted from outside of the vault.
/// @dev What is held: nothing is made or lost; a payee is paid at most what the channel's payer signed for it, and only by acts
/// that name it; the owner gets no more than what is left and not before its delay; nobody else gets anything. Not looked at:
/// longer histories, amounts beyond these, several channels at once, the pots' shares (`npm run model:pots`), a frozen vault.
/// Acts are undone by reverting the call that made them, so the walk is exact and cheap; only the clock is put back by hand.
contract BoundedTest is Kit {
    uint256 private constant OTHER_KEY = 0xbad;
    uint48 private constant SMALL_DEPOSIT = 10;
    uint48 private constant SMALL_BOND = 2;

    /// A batch and what an honest reader takes from it: per payee the highest top that the payer signed.
    struct Batch {
        bytes data;
        uint48[3] signed;
        bool slow;
    }

    /// What happened so far, in memory: the oracle's books.
    struct History {
        uint48[3] signed;
        uint48[3] withdrawn;
        uint48 putIn;
        bool left;
        uint40 leaveAt;
    }

    struct Wealth {
        uint256[3] payees;
        uint256 owner;
        uint256 stranger;
    }

    Batch[] private batches;
    uint32 private channel;
    uint256 private length;
    uint256 private constant OTHER_ACTS = 7;

    /// A branch was walked to its end: so many acts.
    error Walked(uint256 acts);

    function setUp() public {
        build();
        token.transfer(OWNER, 100);
        vm.prank(OWNER);
        token.approve(address(vault), type(uint256).max);
        vm.prank(OWNER);
        channel = vault.open(OWNER, vm.addr(PAYER), SMALL_DEPOSIT, SMALL_BOND);
        Message memory first = plain(channel, 1, 3, 0, 3);
        first.request = requestOf(opened(plain(channel, 1, 3, 0, 3), 3));
        add(batch(first), [uint48(3), 0, 0], false);
        add(batch(plain(channel, 2, 6, 0, 6)), [uint48(6), 0, 0], false);
        add(batch(plain(channel, 2, 8, 1, 8)), [uint48(0), 8, 0], true);
        add(batch(acknowledged(plain(channel, 3, 4, 1, 4))), [uint48(0), 4, 0], false);
        Message memory listing = plain(channel, 4, 7, 0, 4);
        listing.kind = STATEMENT;
        listing.list = new Entry[](2);
        listing.list[0] = Entry(1, 2);
        listing.list[1] = Entry(2, 1);
        add(batch(listing), [uint48(4), 2, 1], false);
        Message memory stream = plain(channel, 5, 1, 2, 1);
        stream.kind = STREAM;
        stream.seed = keccak256("seed");
        stream.tickValue = 2;
        stream.ticks = 4;
        stream.k = 3;
        add(batch(stream), [uint48(0), 0, 7], false);
        // Signed by somebody else: worth nothing.
        Message memory forged = plain(channel, 9, 8, 2, 8);
        forged.key = OTHER_KEY;
        add(batch(forged), [uint48(0), 0, 0], false);
        // Above all that there is.
        add(batch(plain(channel, 6, 2 ** 40, 1, 2 ** 40)), [uint48(0), 2 ** 40, 0], false);
        add(batch(credit(plain(channel, 1, 3, 0, 3), 3, 2)), [uint48(0), 0, 0], false);
        length = parse(vm.envOr("SUNDIAL_HISTORY_LENGTH", string("3")));
    }

    function add(bytes memory data, uint48[3] memory signed, bool slow) private {
        batches.push(Batch(data, signed, slow));
    }

    function parse(string memory digits) private pure returns (uint256 value) {
        for (uint256 i = 0; i < bytes(digits).length; ++i) {
            value = value * 10 + uint8(bytes(digits)[i]) - 48;
        }
    }

    function test_everyHistoryOfASmallWorld() public {
        History memory history;
        history.putIn = SMALL_DEPOSIT;
        uint256 acts = explore(history, length);
        (bool logged,) = address(0x000000000000000000636F6e736F6c652e6c6f67).staticcall(
            abi.encodeWithSignature("log(string,uint256)", "acts judged:", acts)
        );
        holds(logged && acts > 0, "walked");
    }

    function explore(History memory history, uint256 left) private returns (uint256 acts) {
        if (left == 0) return 0;
        uint256 now_ = block.timestamp;
        uint256 count = batches.length + OTHER_ACTS;
        for (uint256 act = 0; act < count; ++act) {
            try this.branch(history, act, left) {
                revert NotTrue("a branch ends by reverting");
            } catch (bytes memory reason) {
                vm.warp(now_);
                if (bytes4(reason) != Walked.selector) {
                    assembly ("memory-safe") {
                        revert(add(reason, 0x20), mload(reason))
                    }
                }
                uint256 more;
                assembly ("memory-safe") {
                    more := mload(add(reason, 0x24))
                }
                acts += more;
            }
        }
    }

    /// One act, judged, and all that can follow it; undone by the revert at its end.
    function branch(History memory history, uint256 act, uint256 left) external {
        Wealth memory before = wealth();
        perform(history, act);
        judge(history, act, before);
        revert Walked(1 + explore(history, left - 1));
    }

    function perform(History memory history, uint256 act) private {
        uint256 known = batches.length;
        if (act < known) {
            Batch memory one = batches[act];
            if (one.slow) {
                vm.prank(STRANGER);
                vault.announce(one.data);
                vm.warp(block.timestamp + 48 hours);
                vm.prank(STRANGER);
                try vault.execute(one.data) {} catch {}
            } else {
                try vault.settle(one.data) {} catch {}
            }
            for (uint256 i = 0; i < 3; ++i) {
                if (one.signed[i] > history.signed[i]) history.signed[i] = one.signed[i];
            }
        } else if (act == known) {
            vm.prank(OWNER);
            try vault.topUp(channel, 5, 1) {
                history.putIn += 5;
            } catch {}
        } else if (act == known + 1) {
            vm.prank(OWNER);
            try vault.startExit(channel, address(0)) {
                history.left = true;
                history.leaveAt = uint40(block.timestamp + 15 days);
            } catch {}
        } else if (act == known + 2) {
            vm.prank(STRANGER);
            try vault.finishExit(channel) {} catch {}
        } else if (act == known + 3) {
            vm.warp(block.timestamp + 15 days);
        } else if (act == known + 4) {
            // Two payments of one number: E1. The stranger that brings it gets nothing.
            bytes memory evidence = batch(plain(channel, 2, 6, 0, 6), plain(channel, 2, 8, 1, 8));
            vm.prank(STRANGER);
            try pots.proveFraud(1, evidence) {} catch {}
        } else {
            uint16 index = uint16(act - known - 5);
            uint48 all = balance(index);
            vm.prank(payeeAt(index));
            try vault.withdraw(id(index), payeeAt(index), all) {
                history.withdrawn[index] += all;
            } catch {}
        }
    }

    function wealth() private view returns (Wealth memory of_) {
        for (uint16 i = 0; i < 3; ++i) {
            of_.payees[i] = token.balanceOf(payeeAt(i)) + balance(i);
        }
        of_.owner = token.balanceOf(OWNER);
        of_.stranger = token.balanceOf(STRANGER);
    }

    function judge(History memory history, uint256 act, Wealth memory before) private view {
        Wealth memory after_ = wealth();
        conserved();
        uint256 paid;
        for (uint16 i = 0; i < 3; ++i) {
            uint256 all = balance(i) + history.withdrawn[i];
            paid += all;
            same(after_.payees[i], all, "a payee has what it was paid");
            holds(all <= history.signed[i], "at most what the payer signed for it");
            bool named = act < batches.length && batches[act].signed[i] != 0;
            holds(named || after_.payees[i] <= before.payees[i], "only who is named gains");
        }
        same(after_.stranger, 0, "nobody else gains");
        Channels.ChannelView memory view_ = vault.readChannel(channel);
        uint256 returned = after_.owner + history.putIn - 100;
        same(paid + view_.free + view_.bond + inPots() + returned, history.putIn, "nothing is made or lost");
        if (returned != 0) {
            holds(history.left && block.timestamp >= history.leaveAt, "the owner leaves after its delay");
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Digests} from "../src/vault/Digests.sol";
import {PotsBase} from "../src/pots/PotsBase.sol";
import {Proofs} from "../src/pots/Proofs.sol";
import {Kit} from "./Kit.sol";

/// @notice The chain and its TypeScript twin judge every pair and triple of a bounded world of vouchers alike.
/// The twin's verdicts come from test/contracts/verdicts.ts, which counts the same vouchers in the same order.
contract FraudBoundsTest is Kit {
    bytes[] private rows;
    uint32 private channel;

    error Proved();

    function setUp() public {
        build();
        channel = openFor(PAYER);
        uint16[4] memory payeeOf = [uint16(0), 0, 1, 2];
        for (uint32 seq = 1; seq <= 3; ++seq) {
            for (uint256 terminal = 0; terminal < 4; ++terminal) {
                for (uint48 amount = terminal < 3 ? 1 : 0; amount <= 2; ++amount) {
                    for (uint48 spent = amount; spent <= 3; ++spent) {
                        for (uint48 paid = amount; paid <= spent; ++paid) {
                            rows.push(tap(seq, terminal, amount, spent, payeeOf[terminal], paid));
                        }
                    }
                }
            }
        }
    }

    /// The request binds terminal and amount; honest terminals open it, the accomplice doesn't.
    function tap(uint32 seq, uint256 terminal, uint48 amount, uint48 spent, uint16 payee, uint48 paid)
        private
        view
        returns (bytes memory row)
    {
        Message memory message = plain(channel, seq, spent, payee, paid);
        message.request = Digests.request(address(uint160(terminal + 1)), amount, 1, bytes32(0));
        row = rowOf(message);
        if (terminal == 3) return row;
        row[0] = bytes1(PLAIN | OPENED);
        row = abi.encodePacked(row, address(uint160(terminal + 1)), amount, uint40(1), bytes32(0));
    }

    /// Undoes what a proof does, so that the next can be tried.
    function probe(uint8 rule, bytes calldata evidence) external {
        pots.proveFraud(rule, evidence);
        revert Proved();
    }

    function judge(uint8 rule, bytes memory evidence) private returns (bool) {
        try this.probe(rule, evidence) {
            return false;
        } catch (bytes memory reason) {
            bytes4 selector = bytes4(reason);
            holds(selector == Proved.selector || selector == Proofs.NotProved.selector, "judged");
            return selector == Proved.selector;
        }
    }

    function test_everyPair() public {
        bytes memory expected = bytes(vm.readFile(string.concat(vm.projectRoot(), "/build/fraud/pairs.txt")));
        bytes[] memory all = rows;
        bytes memory head = header();
        uint256 at;
        uint256 frauds;
        for (uint256 i = 0; i < all.length; ++i) {
            for (uint256 j = i + 1; j < all.length; ++j) {
                uint256 free_;
                assembly ("memory-safe") {
                    free_ := mload(0x40)
                }
                bytes memory evidence = bytes.concat(head, all[i], all[j]);
                uint256 bits;
                for (uint8 rule = 1; rule <= 3; ++rule) {
                    if (judge(rule, evidence)) bits |= 1 << (rule - 1);
                }
                same(bits, uint8(expected[at]) - 48, "pair");
                if (bits != 0) ++frauds;
                ++at;
                assembly {
                    mstore(0x40, free_)
                }
            }
        }
        same(at, expected.length, "all pairs");
        holds(frauds > 1000 && frauds < at, "both verdicts occur");
    }

    /// E1 and E2 look at two messages, so a triple adds only E3. Every 40th in CI, all of them in a deep run.
    function test_everyTriple() public {
        bytes memory expected = bytes(vm.readFile(string.concat(vm.projectRoot(), "/build/fraud/triples.txt")));
        uint256 step = bytes(vm.envOr("SUNDIAL_DEEP", string(""))).length == 0 ? 40 : 1;
        bytes[] memory all = rows;
        bytes memory head = header();
        uint256 at;
        for (uint256 i = 0; i < all.length; ++i) {
            for (uint256 j = i + 1; j < all.length; ++j) {
                for (uint256 k = j + 1; k < all.length; ++k) {
                    if (at % step == 0) {
                        uint256 free_;
                        assembly ("memory-safe") {
                            free_ := mload(0x40)
                        }
                        bool proved = judge(3, bytes.concat(head, all[i], all[j], all[k]));
                        same(proved ? 1 : 0, uint8(expected[at]) - 48, "triple");
                        assembly {
                            mstore(0x40, free_)
                        }
                    }
                    ++at;
                }
            }
        }
        same(at, expected.length, "all triples");
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Check} from "./Check.sol";
import {Handler} from "./Handler.sol";

/// @notice Random histories of everybody's actions; after each call the handler's books and the vault must agree.
contract InvariantsTest is Check {
    Handler private handler;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        handler = new Handler();
    }

    /// The actions; what is asked for most stands there more than once.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[30] memory actions = [
            handler.open.selector,
            handler.topUp.selector,
            handler.pay.selector,
            handler.pay.selector,
            handler.pay.selector,
            handler.cheat.selector,
            handler.cheat.selector,
            handler.cheat.selector,
            handler.settleSeen.selector,
            handler.settleSeen.selector,
            handler.settleSeen.selector,
            handler.giveCredit.selector,
            handler.giveCredit.selector,
            handler.withdraw.selector,
            handler.startExit.selector,
            handler.finishExit.selector,
            handler.warp.selector,
            handler.freeze.selector,
            handler.liftFreeze.selector,
            handler.prove.selector,
            handler.registerShortfall.selector,
            handler.collect.selector,
            handler.closePot.selector,
            handler.provide.selector,
            handler.leave.selector,
            handler.execute.selector,
            handler.carry.selector,
            handler.payOut.selector,
            handler.give.selector,
            handler.agreeFee.selector
        ];
        targets = new FuzzSelector[](1);
        targets[0].addr = address(handler);
        targets[0].selectors = new bytes4[](31);
        for (uint256 i = 0; i < 30; ++i) {
            targets[0].selectors[i] = actions[i];
        }
        targets[0].selectors[30] = handler.accredit.selector;
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_booksAgree() public {
        handler.check();
    }

    /// Claims come in swarms: everybody who holds a voucher of a cheater tries.
    function shortfalls(uint256 seed) private {
        for (uint256 i = 0; i < 12; ++i) {
            handler.registerShortfall(uint256(keccak256(abi.encode(seed, i))));
        }
    }

    /// A fixed walk in which every action succeeds at least once, so that the invariants above are about something.
    function test_everyActionCanHappen() public {
        handler.pay(0, 0, 900, false);
        handler.pay(0, 1, 800, true);
        handler.settleSeen(0, 3);
        handler.check();
        uint256 seed = 1;
        for (uint256 i = 0; i < 1500; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 action = seed % 26;
            uint256 r = seed >> 8;
            if (action == 0) handler.open(r, uint48(r));
            else if (action == 1) handler.topUp(r, uint48(r >> 8));
            else if (action <= 3) handler.pay(r, uint16(r >> 8), uint48(r >> 24), (r >> 72) % 2 == 0);
            else if (action <= 6) handler.cheat(r, uint32(r >> 8), uint16(r >> 40), uint48(r >> 56), uint48(r >> 104));
            else if (action <= 9) handler.settleSeen(r, r >> 128);
            else if (action == 10) handler.giveCredit(r, uint48(r >> 100));
            else if (action == 11) handler.withdraw(uint16(r), uint48(r >> 16));
            else if (action == 12) handler.startExit(r, (r >> 200) % 2 == 0);
            else if (action == 13) handler.finishExit(r);
            else if (action == 14) handler.warp(r % 2 days);
            else if (action == 15) handler.freeze(uint40(r));
            else if (action == 16) handler.prove(r, uint8(r >> 100));
            else if (action == 17) shortfalls(r);
            else if (action == 18) handler.collect(r, uint16(r >> 16));
            else if (action == 19) handler.closePot(r);
            else if (action == 20) handler.provide(uint48(r));
            else if (action == 21) handler.leave(r);
            else if (action == 22) handler.execute(r);
            else if (action == 23) handler.carry(uint16(r), uint48(r >> 16), uint48(r >> 64));
            else if (action == 24) handler.payOut(i > 700);
            else handler.give(r);
            if (i % 30 == 0) handler.liftFreeze();
            if (i > 400 && i % 100 == 0) handler.agreeFee(uint16(r), uint8(r >> 16) % 101);
            handler.check();
        }
        bytes32[26] memory names = [
            bytes32("open"),
            "topUp",
            "pay",
            "cheat",
            "settle",
            "credit",
            "withdraw",
            "startExit",
            "finishExit",
            "settleAll",
            "freeze",
            "lift",
            "prove",
            "shortfall",
            "collect",
            "closePot",
            "provide",
            "leave",
            "announce",
            "execute",
            "carry",
            "payOut",
            "give",
            "startExitTo",
            "agreeFee",
            "fee"
        ];
        for (uint256 i = 0; i < names.length; ++i) {
            holds(handler.calls(names[i]) != 0, string(abi.encodePacked("never happened: ", names[i])));
        }
    }
}

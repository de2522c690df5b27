// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims} from "../src/pots/Claims.sol";
import {PotsBase} from "../src/pots/PotsBase.sol";
import {Digests} from "../src/vault/Digests.sol";
import {Kit} from "./Kit.sol";

/// @notice The pots agree with test/vectors/claims.json on every claim's classes, every pot's sums and everybody's share.
/// Not checked here: what the file leaves out, which it says itself.
contract ClaimVectorsTest is Kit {
    uint256 private constant SECOND_KEY = 0x40c;
    string private json;
    uint32 private channel;

    function number(string memory at) private view returns (uint256) {
        return vm.parseJsonUint(json, at);
    }

    function isThere(string memory at) private view returns (bool) {
        return vm.keyExistsJson(json, at);
    }

    function item(string memory at, string memory name, uint256 index) private view returns (string memory) {
        return string.concat(at, ".", name, "[", vm.toString(index), "]");
    }

    function test_potsPayAsTheVectorsSay() public {
        json = vm.readFile(string.concat(vm.projectRoot(), "/test/vectors/claims.json"));
        uint256 count;
        for (; isThere(item("", "pots", count)); ++count) {
            build();
            same(number(".bond"), BOND, "bond");
            one(item("", "pots", count));
        }
        same(count, 24, "all of them");
    }

    function one(string memory pot) private {
        channel = openFor(PAYER);
        for (uint16 i = 0; i < 3; ++i) {
            uint16 terminals = uint16(number(item(pot, "terminals", i)));
            vm.prank(OPERATOR);
            registry.accredit(id(i), terminals);
        }
        certifySecond();
        vm.warp(block.timestamp + 2 hours);
        settle(batch(plain(channel, 100, FUNDS, 2, FUNDS)));
        pots.proveFraud(1, batch(plain(channel, 1, 1, 0, 1), plain(channel, 1, 1, 1, 1)));
        revokeSecond();
        uint256 count;
        for (; isThere(item(pot, "claims", count)); ++count) {
            register(item(pot, "claims", count));
        }
        PotsBase.Pot memory found = pots.readPot(channel);
        same(found.sum1, number(string.concat(pot, ".sum1")), "sum1");
        same(found.sumR, number(string.concat(pot, ".sumR")), "sumR");
        same(found.sum2, number(string.concat(pot, ".sum2")), "sum2");
        vm.warp(block.timestamp + 11 days);
        for (uint256 i = 0; i < count; ++i) {
            string memory claim = item(pot, "claims", i);
            uint16 payee = uint16(number(string.concat(claim, ".payee")) - 1);
            uint48 before = balance(payee);
            pots.collectShare(channel, id(payee));
            same(balance(payee) - before, number(string.concat(claim, ".share")), "share");
        }
        if (count == 0) pots.closePot(channel);
        same(token.balanceOf(address(reserve)), number(string.concat(pot, ".rest")), "rest");
        conserved();
    }

    function register(string memory claim) private {
        uint16 payee = uint16(number(string.concat(claim, ".payee")) - 1);
        bytes memory evidence = header();
        for (uint256 i = 0; isThere(item(claim, "vouchers", i)); ++i) {
            string memory voucher = item(claim, "vouchers", i);
            uint48 amount = uint48(number(string.concat(voucher, ".amount")));
            uint48 paid = uint48(number(string.concat(voucher, ".base"))) + amount;
            evidence = bytes.concat(
                evidence, rowOf(opened(plain(channel, uint32(200 + i), paid, payee, paid), amount))
            );
        }
        pots.registerShortfall(evidence, leasesOf(claim));
        Claims.Claim memory found = pots.readClaim(channel, id(payee));
        same(found.top, number(string.concat(claim, ".top")), "top");
        same(found.overlap, number(string.concat(claim, ".overlap")), "overlap");
        same(found.shown, number(string.concat(claim, ".shown")), "shown");
        same(found.c1, number(string.concat(claim, ".c1")), "c1");
        same(found.cR, number(string.concat(claim, ".cR")), "cR");
        same(found.c2, number(string.concat(claim, ".c2")), "c2");
    }

    /// By scope: the one for any terminal has none and comes first, as in the file.
    function leasesOf(string memory claim) private view returns (bytes memory leases) {
        for (uint256 i = 0; isThere(item(claim, "leases", i)); ++i) {
            string memory at = item(claim, "leases", i);
            uint256 count;
            while (isThere(item(at, "members", count))) ++count;
            Member[] memory list = new Member[](count);
            for (uint256 m = 0; m < count; ++m) {
                string memory member = item(at, "members", m);
                list[m] = Member(
                    uint32(number(string.concat(member, ".payee"))), uint8(number(string.concat(member, ".terminals")))
                );
            }
            LeaseOf memory lease = leaseFor(channel, uint48(number(string.concat(at, ".cap"))), list);
            if (!vm.parseJsonBool(json, string.concat(at, ".isGood"))) lease.key = SECOND_KEY;
            leases = bytes.concat(leases, leaseBytes(lease));
        }
    }

    function certifySecond() private {
        address key = vm.addr(SECOND_KEY);
        uint40 now_ = uint40(block.timestamp);
        (bytes32 r, bytes32 vs) = signed(Digests.hubKey(key, now_, now_ + 30 days, 0, now_));
        registry.addHubKey(key, now_, now_ + 30 days, 0, now_, r, vs);
    }

    function revokeSecond() private {
        address key = vm.addr(SECOND_KEY);
        uint40 now_ = uint40(block.timestamp);
        (bytes32 r, bytes32 vs) = signed(Digests.hubKeyRevoked(key, now_));
        registry.revokeHubKey(key, now_, r, vs);
    }

    function signed(bytes32 structHash) private view returns (bytes32 r, bytes32 vs) {
        bytes memory signature = compact(ROOT, Digests.digest(separator, structHash));
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            vs := mload(add(signature, 0x40))
        }
    }
}

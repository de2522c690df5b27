// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Digests} from "../src/vault/Digests.sol";
import {Check} from "./Check.sol";

/// @notice Solidity agrees with test/vectors/digests.json on every struct, as TypeScript and the chip do.
contract DigestsTest is Check {
    string private json;
    string private at;

    function setUp() public {
        json = vm.readFile(string.concat(vm.projectRoot(), "/test/vectors/digests.json"));
    }

    function test_everyVector() public {
        uint256 count;
        while (vm.keyExistsJson(json, string.concat("$[", vm.toString(count), "].struct"))) {
            at = string.concat("$[", vm.toString(count), "].");
            string memory name = vm.parseJsonString(json, string.concat(at, "struct"));
            bytes32 structHash = structHashOf(keccak256(bytes(name)));
            same(structHash, word("structHash"), string.concat("struct hash of ", name));
            bytes32 separator = Digests.separator(
                vm.parseJsonUint(json, string.concat(at, "domain.chainId")),
                vm.parseJsonAddress(json, string.concat(at, "domain.verifyingContract"))
            );
            same(Digests.digest(separator, structHash), word("digest"), string.concat("digest of ", name));
            ++count;
        }
        holds(count >= 11, "a vector for each struct");
    }

    function structHashOf(bytes32 name) private view returns (bytes32) {
        if (name == keccak256("Request")) {
            return Digests.request(
                account("terminal"), uint48(number("amount")), uint40(number("at")), field("detail")
            );
        }
        if (name == keccak256("Voucher")) return voucher();
        if (name == keccak256("Stream")) return stream();
        if (name == keccak256("HubKey")) {
            return Digests.hubKey(
                account("key"),
                uint40(number("from")),
                uint40(number("until")),
                uint32(number("epoch")),
                uint40(number("signedAt"))
            );
        }
        if (name == keccak256("HubKeyRevoked")) return Digests.hubKeyRevoked(account("key"), uint40(number("at")));
        if (name == keccak256("Released")) {
            return Digests.released(uint32(number("channel")), account("payee"), uint40(number("until")));
        }
        if (name == keccak256("Acknowledgement")) {
            return Digests.acknowledgement(field("entry"), uint48(number("position")), uint40(number("at")));
        }
        if (name == keccak256("Credit")) return Digests.credit(field("voucher"), uint48(number("credited")));
        // The vault never checks these; only their type strings can be wrong here.
        if (name == keccak256("Lease")) return lease();
        if (name == keccak256("Terminal")) {
            return keccak256(
                abi.encode(
                    Digests.TERMINAL_TYPEHASH, account("terminal"), account("payee"), number("expiresAt")
                )
            );
        }
        if (name == keccak256("Synced")) {
            return keccak256(abi.encode(Digests.SYNCED_TYPEHASH, account("terminal"), number("at")));
        }
        if (name == keccak256("Member")) {
            return keccak256(
                abi.encode(Digests.MEMBER_TYPEHASH, field("scope"), account("terminal"), number("expiresAt"))
            );
        }
        if (name == keccak256("Receipt")) return keccak256(abi.encode(Digests.RECEIPT_TYPEHASH, field("voucher")));
        if (name == keccak256("Beacon")) {
            return keccak256(
                abi.encode(
                    Digests.BEACON_TYPEHASH,
                    number("at"),
                    number("height"),
                    field("revocations"),
                    field("checkpoint"),
                    bytes16(vm.parseJsonBytes(json, string.concat(at, "message.nonce")))
                )
            );
        }
        // A struct of the devices and the hub that is newer than this test: the digest alone is checked.
        return word("structHash");
    }

    function voucher() private view returns (bytes32) {
        return Digests.voucher(
            uint32(number("channel")),
            uint32(number("seq")),
            uint48(number("spent")),
            account("payee"),
            uint48(number("paid")),
            bytes16(vm.parseJsonBytes(json, string.concat(at, "message.lanes"))),
            field("request")
        );
    }

    function stream() private view returns (bytes32) {
        return Digests.stream(
            uint32(number("channel")),
            uint32(number("seq")),
            uint48(number("spent")),
            account("payee"),
            uint48(number("paid")),
            field("request"),
            Digests.StreamTerms({
                anchor: field("anchor"),
                tickValue: uint48(number("tickValue")),
                ticks: uint16(number("ticks"))
            })
        );
    }

    function lease() private view returns (bytes32) {
        return Digests.lease(
            uint32(number("channel")),
            account("payer"),
            Digests.LeaseTerms({
                spentFrom: uint48(number("spentFrom")),
                spendLimit: uint48(number("spendLimit")),
                tapLimit: uint48(number("tapLimit")),
                cap: uint48(number("cap")),
                guarantee: uint48(number("guarantee")),
                issuedAt: uint40(number("issuedAt")),
                expiresAt: uint40(number("expiresAt"))
            }),
            field("scope")
        );
    }

    function word(string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, string.concat(at, key));
    }

    function field(string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, string.concat(at, "message.", key));
    }

    function account(string memory key) private view returns (address) {
        return vm.parseJsonAddress(json, string.concat(at, "message.", key));
    }

    function number(string memory key) private view returns (uint256) {
        return vm.parseJsonUint(json, string.concat(at, "message.", key));
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {Time} from "../src/Time.sol";
import {Vault} from "../src/Vault.sol";
import {Channels} from "../src/vault/Channels.sol";
import {Digests} from "../src/vault/Digests.sol";
import {VaultBase} from "../src/vault/VaultBase.sol";
import {Check} from "./Check.sol";
import {Vm} from "./Vm.sol";

/// @notice A vault with three payees, and messages of any kind, signed and encoded independently of the vault's code.
abstract contract Kit is Check {
    uint8 internal constant PLAIN = 1;
    uint8 internal constant LANES = 2;
    uint8 internal constant STATEMENT = 3;
    uint8 internal constant STREAM = 4;
    uint8 internal constant OPENED = 0x20;
    uint8 internal constant CREDIT = 0x40;
    uint8 internal constant P256 = 0x80;

    uint256 internal constant PAYER = 0xa11ce;
    uint256 internal constant PAYEE_KEYS = 0xbeef00;
    uint256 internal constant HUB_KEY = 0x40b;
    uint48 internal constant DEPOSIT = 1_000_000;
    uint48 internal constant BOND = 200_000;
    uint48 internal constant FUNDS = DEPOSIT - BOND;

    address internal constant OWNER = address(0x0e1);
    address internal constant GUARDIAN = address(0x0e2);
    address internal constant OPERATOR = address(0x0e3);
    address internal constant STRANGER = address(0x0e4);

    Time internal token;
    TimelockController internal timelock;
    Vault internal vault;
    bytes32 internal separator;
    // Creation code of the vault: the compiled one, or a mutant's, which needs no new compilation of the tests.
    bytes private vaultCode;

    struct Entry {
        uint16 payee;
        uint48 paid;
    }

    struct Message {
        uint8 kind;
        uint32 channel;
        uint32 seq;
        uint48 spent;
        uint16 payee;
        uint48 paid;
        // What the request is made of; used only when the OPENED part is set, else `request` is.
        uint48 amount;
        bytes32 request;
        bytes16 lanes;
        Entry[] list;
        bytes32 seed;
        uint48 tickValue;
        uint16 ticks;
        uint16 k;
        uint48 credited;
        uint256 key;
    }

    /// Timing of the defaults: 14 days to leave.
    function timing() internal pure returns (VaultBase.Timing memory) {
        return VaultBase.Timing({
            exitDelay: 14 days,
            watchLag: 1 hours,
            leaseLifetime: 72 hours,
            clockError: 2 hours,
            payeeOfflineMax: 7 days,
            claimMargin: 48 hours
        });
    }

    function roles() internal view returns (Vault.Roles memory) {
        return Vault.Roles({
            guardian: GUARDIAN,
            hubOperator: OPERATOR,
            hubKey: vm.addr(HUB_KEY),
            hubKeyUntil: uint40(block.timestamp + 365 days)
        });
    }

    function deployVault(
        IERC20 token_,
        TimelockController timelock_,
        VaultBase.Timing memory timing_,
        uint16 bondShare,
        Vault.Roles memory roles_
    ) internal returns (Vault deployed) {
        bytes memory code = bytes.concat(vaultCode, abi.encode(token_, timelock_, timing_, bondShare, roles_));
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
            if iszero(deployed) {
                let at := mload(0x40)
                returndatacopy(at, 0, returndatasize())
                revert(at, returndatasize())
            }
        }
    }

    function build() internal {
        vm.warp(1_800_000_000);
        token = new Time(address(this), 2 ** 48 - 1);
        address[] memory nobody = new address[](1);
        nobody[0] = address(this);
        timelock = new TimelockController(2 days, nobody, nobody, address(0));
        string memory file = vm.envOr("SUNDIAL_VAULT_CODE", string(""));
        vaultCode = bytes(file).length == 0 ? type(Vault).creationCode : vm.parseBytes(vm.readFile(file));
        vault = deployVault(IERC20(address(token)), timelock, timing(), 2000, roles());
        separator = Digests.separator(block.chainid, address(vault));
        token.approve(address(vault), type(uint256).max);
        for (uint16 i = 0; i < 3; ++i) {
            vault.registerPayee(payeeAt(i));
        }
    }

    function payeeKey(uint16 index) internal pure returns (uint256) {
        return PAYEE_KEYS + index;
    }

    function payeeAt(uint16 index) internal pure returns (address) {
        return vm.addr(payeeKey(index));
    }

    function id(uint16 index) internal pure returns (uint32) {
        return index + 1;
    }

    function openFor(uint256 key) internal returns (uint32) {
        return vault.open(OWNER, signerOf(key), DEPOSIT, BOND);
    }

    /// Address of a secp256k1 key, or of the P-256 key when the number is odd and large.
    function signerOf(uint256 key) internal pure returns (address) {
        if (!isP256(key)) return vm.addr(key);
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        return address(uint160(uint256(keccak256(abi.encode(x, y)))));
    }

    function isP256(uint256 key) internal pure returns (bool) {
        return key >> 200 != 0;
    }

    function plain(uint32 channel, uint32 seq, uint48 spent, uint16 payee, uint48 paid)
        internal
        pure
        returns (Message memory message)
    {
        message.kind = PLAIN;
        message.channel = channel;
        message.seq = seq;
        message.spent = spent;
        message.payee = payee;
        message.paid = paid;
        message.key = PAYER;
        message.request = keccak256("request");
    }

    /// Opens the request of a message: it asked for `amount`.
    function opened(Message memory message, uint48 amount) internal pure returns (Message memory) {
        message.kind |= OPENED;
        message.amount = amount;
        return message;
    }

    function credit(Message memory message, uint48 amount, uint48 credited) internal pure returns (Message memory) {
        message = opened(message, amount);
        message.kind |= CREDIT;
        message.credited = credited;
        return message;
    }

    function chain(bytes32 from, uint256 steps) internal pure returns (bytes32 value) {
        value = from;
        for (uint256 i = 0; i < steps; ++i) {
            value = keccak256(abi.encode(value));
        }
    }

    function requestOf(Message memory message) internal pure returns (bytes32) {
        if (message.kind & OPENED == 0) return message.request;
        return Digests.request(address(0xbeef), message.amount, 1_700_000_000, keccak256("detail"));
    }

    function listHash(Entry[] memory list) internal pure returns (bytes16) {
        if (list.length == 0) return 0;
        bytes memory packed;
        for (uint256 i = 0; i < list.length; ++i) {
            packed = bytes.concat(packed, abi.encodePacked(payeeAt(list[i].payee), list[i].paid));
        }
        return bytes16(keccak256(packed));
    }

    function digestOf(Message memory message) internal view returns (bytes32) {
        uint8 kind = message.kind & 0x0f;
        bytes32 structHash;
        if (kind == STREAM) {
            structHash = Digests.stream(
                message.channel,
                message.seq,
                message.spent,
                payeeAt(message.payee),
                message.paid,
                requestOf(message),
                Digests.StreamTerms(chain(message.seed, message.ticks), message.tickValue, message.ticks)
            );
        } else {
            bytes16 lanes = kind == STATEMENT ? listHash(message.list) : kind == LANES ? message.lanes : bytes16(0);
            structHash = Digests.voucher(
                message.channel,
                message.seq,
                message.spent,
                payeeAt(message.payee),
                message.paid,
                lanes,
                requestOf(message)
            );
        }
        return Digests.digest(separator, structHash);
    }

    function compact(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    function signatureOf(Message memory message) internal view returns (bytes memory) {
        bytes32 digest = digestOf(message);
        if (!isP256(message.key)) return compact(message.key, digest);
        (bytes32 r, bytes32 s) = vm.signP256(message.key, digest);
        return abi.encodePacked(r, s);
    }

    function rowOf(Message memory message) internal view returns (bytes memory row) {
        return rowOf(message, signatureOf(message));
    }

    function rowOf(Message memory message, bytes memory signature) internal view returns (bytes memory row) {
        uint8 kind = message.kind & 0x0f;
        uint8 kindByte = message.kind | (isP256(message.key) ? P256 : 0);
        row = abi.encodePacked(
            kindByte, message.channel, message.seq, message.spent, message.payee, message.paid, requestOf(message)
        );
        row = bytes.concat(row, signature);
        if (kind == LANES) row = abi.encodePacked(row, message.lanes);
        if (kind == STATEMENT) {
            row = abi.encodePacked(row, uint8(message.list.length));
            for (uint256 i = 0; i < message.list.length; ++i) {
                row = abi.encodePacked(row, message.list[i].payee, message.list[i].paid);
            }
        }
        if (kind == STREAM) {
            row = abi.encodePacked(row, chain(message.seed, message.ticks), message.tickValue, message.ticks);
            uint256 hidden = message.k <= message.ticks ? message.ticks - message.k : 0;
            row = abi.encodePacked(row, message.k, chain(message.seed, hidden));
        }
        if (isP256(message.key)) {
            (uint256 x, uint256 y) = vm.publicKeyP256(message.key);
            row = abi.encodePacked(row, x, y);
        }
        if (message.kind & OPENED != 0) {
            row = abi.encodePacked(row, address(0xbeef), message.amount, uint40(1_700_000_000), keccak256("detail"));
        }
        if (message.kind & CREDIT != 0) {
            bytes32 digest = Digests.digest(separator, Digests.credit(digestOf(message), message.credited));
            row = abi.encodePacked(row, message.credited, compact(payeeKey(message.payee), digest));
        }
    }

    /// Header that names the three payees.
    function header() internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), uint16(3), uint32(1), uint32(2), uint32(3));
    }

    function batch(Message memory a) internal view returns (bytes memory) {
        return bytes.concat(header(), rowOf(a));
    }

    function batch(Message memory a, Message memory b) internal view returns (bytes memory) {
        return bytes.concat(header(), rowOf(a), rowOf(b));
    }

    function batch(Message memory a, Message memory b, Message memory c) internal view returns (bytes memory) {
        return bytes.concat(header(), rowOf(a), rowOf(b), rowOf(c));
    }

    struct Outcome {
        uint32 channel;
        uint32 payee;
        uint8 kind;
        uint8 reason;
        uint48 moved;
    }

    /// Settles and reads the outcomes from the event.
    function settle(bytes memory data) internal returns (Outcome[] memory) {
        vm.recordLogs();
        vault.settle(data);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        same(logs.length, 1, "one event a batch");
        same(logs[0].topics[0], keccak256("BatchSettled(address,bytes)"), "topic");
        return decode(abi.decode(logs[0].data, (bytes)));
    }

    function decode(bytes memory outcomes) internal pure returns (Outcome[] memory result) {
        same(outcomes.length % 16, 0, "whole outcomes");
        result = new Outcome[](outcomes.length / 16);
        for (uint256 i = 0; i < result.length; ++i) {
            uint256 word;
            assembly ("memory-safe") {
                word := shr(128, mload(add(add(outcomes, 0x20), mul(i, 16))))
            }
            result[i] = Outcome({
                channel: uint32(word >> 96),
                payee: uint32(word >> 64),
                kind: uint8(word >> 56),
                reason: uint8(word >> 48),
                moved: uint48(word)
            });
        }
    }

    /// Settles one row and answers (reason, moved).
    function settleOne(Message memory message) internal returns (uint8, uint48) {
        Outcome[] memory outcomes = settle(batch(message));
        same(outcomes.length, 1 + message.list.length, "an outcome a lane");
        same(outcomes[0].channel, message.channel, "channel of the outcome");
        same(outcomes[0].payee, id(message.payee), "payee of the outcome");
        same(outcomes[0].kind & 0x6f, message.kind, "kind of the outcome");
        return (outcomes[0].reason, outcomes[0].moved);
    }

    function expect(Message memory message, uint256 reason, uint48 moved, string memory what) internal {
        (uint8 gotReason, uint48 gotMoved) = settleOne(message);
        same(gotReason, reason, string.concat(what, ": reason"));
        same(gotMoved, moved, string.concat(what, ": moved"));
    }

    function free(uint32 channel) internal view returns (uint48) {
        return vault.readChannel(channel).free;
    }

    function balance(uint16 index) internal view returns (uint48 amount) {
        (, amount,) = vault.readPayee(id(index));
    }

    /// Everything that the vault owes, added up from its views.
    function owed() internal view returns (uint256 sum) {
        for (uint32 channel = 1; channel <= vault.channelCount(); ++channel) {
            Channels.ChannelView memory view_ = vault.readChannel(channel);
            sum += uint256(view_.free) + view_.bond + vault.readPot(channel).left;
        }
        for (uint32 payee = 1; payee <= vault.payeeCount(); ++payee) {
            (, uint48 amount,) = vault.readPayee(payee);
            sum += amount;
        }
        sum += vault.reserve();
    }

    function conserved() internal view {
        same(owed(), vault.held(), "what is owed is what is held");
        same(token.balanceOf(address(vault)), vault.held(), "what is held is there");
    }
}

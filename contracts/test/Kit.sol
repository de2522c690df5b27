// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Mandates} from "../src/Mandates.sol";
import {Pots} from "../src/Pots.sol";
import {Registry} from "../src/Registry.sol";
import {Reserve} from "../src/Reserve.sol";
import {Time} from "../src/Time.sol";
import {Timelock} from "../src/Timelock.sol";
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
    uint8 internal constant ACKNOWLEDGED = 0x10;
    uint8 internal constant OPENED = 0x20;
    uint8 internal constant CREDIT = 0x40;
    uint8 internal constant P256 = 0x80;

    uint256 internal constant PAYER = 0xa11ce;
    uint256 internal constant PAYEE_KEYS = 0xbeef00;
    uint256 internal constant HUB_KEY = 0x40b;
    uint256 internal constant ROOT = 0x4007;
    uint48 internal constant DEPOSIT = 1_000_000;
    uint48 internal constant BOND = 200_000;
    uint48 internal constant FUNDS = DEPOSIT - BOND;

    address internal constant OWNER = address(0x0e1);
    address internal constant GUARDIAN = address(0x0e2);
    address internal constant OPERATOR = address(0x0e3);
    address internal constant STRANGER = address(0x0e4);

    Time internal token;
    Timelock internal timelock;
    Registry internal registry;
    Vault internal vault;
    Pots internal pots;
    Mandates internal mandates;
    Reserve internal reserve;
    bytes32 internal separator;
    // Creation code of the contracts: the compiled one, or a mutant's, which needs no new compilation of the tests.
    bytes private registryCode;
    bytes private vaultCode;
    bytes private potsCode;
    bytes private mandatesCode;

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

    /// Timing of the defaults: 15 days to leave.
    function timing() internal pure returns (VaultBase.Timing memory) {
        return VaultBase.Timing({
            exitDelay: 15 days,
            watchLag: 1 hours,
            leaseLifetime: 72 hours,
            clockError: 2 hours,
            payeeOfflineMax: 7 days,
            claimMargin: 48 hours,
            slowLane: 48 hours
        });
    }

    /// The test itself is the hub's settler.
    function start() internal view returns (Registry.Start memory) {
        return Registry.Start({
            root: vm.addr(ROOT),
            operator: OPERATOR,
            settler: address(this),
            hubKey: vm.addr(HUB_KEY)
        });
    }

    /// A registry for a vault with these parameters, its pots and mandates, and the creation code of the first two.
    function prepare(IERC20 token_, Timelock timelock_, VaultBase.Timing memory timing_, uint16 bondShare)
        internal
        returns (Registry made, bytes memory ofVault, bytes memory ofPots)
    {
        ofVault = bytes.concat(vaultCode, abi.encode(token_, timelock_, timing_, bondShare, GUARDIAN));
        ofPots = bytes.concat(potsCode, abi.encode(token_, timing_));
        bytes memory arguments = abi.encode(timelock_, keccak256(ofVault), keccak256(ofPots), keccak256(mandatesCode), start());
        made = Registry(create(bytes.concat(registryCode, arguments)));
    }

    /// Everything but token and timelock, as a deployment does it.
    function deploy(IERC20 token_, Timelock timelock_, VaultBase.Timing memory timing_, uint16 bondShare) internal {
        (Registry made, bytes memory ofVault, bytes memory ofPots) = prepare(token_, timelock_, timing_, bondShare);
        registry = made;
        vault = Vault(registry.deployVault(ofVault));
        pots = Pots(registry.deployPots(ofPots));
        reserve = pots.reserve();
        mandates = Mandates(registry.deployMandates(mandatesCode));
        separator = Digests.separator(block.chainid, address(vault));
        token_.approve(address(vault), type(uint256).max);
    }

    /// A vault with these parameters can't be made.
    function refusesToDeploy(
        bytes4 why,
        IERC20 token_,
        Timelock timelock_,
        VaultBase.Timing memory timing_,
        uint16 bondShare
    ) internal {
        (Registry made, bytes memory ofVault,) = prepare(token_, timelock_, timing_, bondShare);
        vm.expectPartialRevert(why);
        made.deployVault(ofVault);
    }

    function create(bytes memory code) internal returns (address created) {
        assembly ("memory-safe") {
            created := create(0, add(code, 0x20), mload(code))
            if iszero(created) {
                let at := mload(0x40)
                returndatacopy(at, 0, returndatasize())
                revert(at, returndatasize())
            }
        }
    }

    /// What was compiled, or what a run of mutations put in its place.
    function codeOf(string memory name, bytes memory compiled) internal view returns (bytes memory) {
        string memory file = vm.envOr(string.concat("SUNDIAL_CODE_", name), string(""));
        return bytes(file).length == 0 ? compiled : vm.parseBytes(vm.readFile(file));
    }

    function newTimelock() internal returns (Timelock) {
        address[] memory nobody = new address[](1);
        nobody[0] = address(this);
        return new Timelock(2 days, nobody, nobody);
    }

    function loadCode() internal {
        registryCode = codeOf("REGISTRY", type(Registry).creationCode);
        vaultCode = codeOf("VAULT", type(Vault).creationCode);
        potsCode = codeOf("POTS", type(Pots).creationCode);
        mandatesCode = codeOf("MANDATES", type(Mandates).creationCode);
    }

    function build() internal {
        vm.warp(1_800_000_000);
        token = new Time(address(this), 2 ** 48 - 1);
        timelock = newTimelock();
        loadCode();
        deploy(IERC20(address(token)), timelock, timing(), 2000);
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

    /// What the hub acknowledges of a message.
    function entryOf(Message memory message) internal view returns (bytes32) {
        bytes32 digest = digestOf(message);
        if (message.kind & 0x0f != STREAM || message.k == 0) return digest;
        bytes32 preimage = chain(message.seed, message.ticks - message.k);
        return keccak256(abi.encodePacked(digest, message.k, preimage));
    }

    /// The part of a row that carries an acknowledgement: position 6, time 5, signature 64.
    function acknowledgement(uint256 key, bytes32 entry) internal view returns (bytes memory) {
        uint40 at = uint40(block.timestamp);
        bytes32 digest = Digests.digest(separator, Digests.acknowledgement(entry, 7, at));
        return abi.encodePacked(uint48(7), at, compact(key, digest));
    }

    function acknowledged(Message memory message) internal pure returns (Message memory) {
        message.kind |= ACKNOWLEDGED;
        return message;
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
        if (message.kind & ACKNOWLEDGED != 0) row = bytes.concat(row, acknowledgement(HUB_KEY, entryOf(message)));
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

    // ---- leases as evidence ----

    struct Member {
        uint32 payee;
        uint8 terminals;
    }

    struct LeaseOf {
        uint256 key;
        uint32 channel;
        uint48 cap;
        uint48 guarantee;
        uint40 issuedAt;
        uint40 expiresAt;
        Member[] members;
    }

    /// A lease of the hub for some payees' terminals, as it is around a proof of now.
    function leaseFor(uint32 channel, uint48 cap, Member[] memory list) internal view returns (LeaseOf memory) {
        return LeaseOf({
            key: HUB_KEY,
            channel: channel,
            cap: cap,
            guarantee: 0,
            issuedAt: uint40(block.timestamp),
            expiresAt: uint40(block.timestamp + 72 hours),
            members: list
        });
    }

    function wideLease(uint32 channel, uint48 cap) internal view returns (LeaseOf memory) {
        return leaseFor(channel, cap, new Member[](0));
    }

    function members(uint16 a, uint8 n) internal pure returns (Member[] memory list) {
        list = new Member[](1);
        list[0] = Member(id(a), n);
    }

    function members(uint16 a, uint8 n, uint16 b, uint8 m) internal pure returns (Member[] memory list) {
        list = new Member[](2);
        list[0] = Member(id(a), n);
        list[1] = Member(id(b), m);
    }

    function leaseBytes(LeaseOf memory lease) internal view returns (bytes memory) {
        bytes memory packed;
        for (uint256 i = 0; i < lease.members.length; ++i) {
            packed = abi.encodePacked(packed, lease.members[i].payee, lease.members[i].terminals);
        }
        bytes32 scope = packed.length == 0 ? bytes32(0) : keccak256(packed);
        Digests.LeaseTerms memory terms = Digests.LeaseTerms({
            spentFrom: 0,
            spendLimit: FUNDS,
            tapLimit: 17_500,
            cap: lease.cap,
            guarantee: lease.guarantee,
            issuedAt: lease.issuedAt,
            expiresAt: lease.expiresAt
        });
        address payer = vault.readChannel(lease.channel).payer;
        bytes32 digest = Digests.digest(separator, Digests.lease(lease.channel, payer, terms, scope));
        bytes memory head = abi.encodePacked(
            uint8(lease.members.length), terms.spentFrom, terms.spendLimit, terms.tapLimit, terms.cap, terms.guarantee
        );
        return bytes.concat(
            head, abi.encodePacked(terms.issuedAt, terms.expiresAt), compact(lease.key, digest), packed
        );
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
        sawFees(logs, 1);
        return outcomesOf(logs);
    }

    /// All events from one on are fees.
    function sawFees(Vm.Log[] memory logs, uint256 from) internal {
        for (uint256 i = from; i < logs.length; ++i) {
            same(logs[i].topics[0], keccak256("FeePaid(uint32,uint32,uint48)"), "one event a batch, and fees");
            sawFee(uint32(uint256(logs[i].topics[1])), uint32(uint256(logs[i].topics[2])), abi.decode(logs[i].data, (uint48)));
        }
    }

    /// A payee paid whoever submitted a batch; ids. Nobody does unless a test agreed to it.
    function sawFee(uint32 payee, uint32 submitter, uint48 fee) internal virtual {}

    /// The outcomes in the first event, which is a batch's.
    function outcomesOf(Vm.Log[] memory logs) internal pure returns (Outcome[] memory) {
        same(logs[0].topics[0], keccak256("BatchSettled(address,bytes)"), "topic");
        return decode(abi.decode(logs[0].data, (bytes)));
    }

    /// Announces a batch, waits and executes it.
    function settleSlowly(bytes memory data) internal returns (Outcome[] memory) {
        vault.announce(data);
        vm.warp(block.timestamp + 48 hours);
        vm.recordLogs();
        vault.execute(data);
        return outcomesOf(vm.getRecordedLogs());
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
        same(outcomes[0].kind & 0x7f, message.kind, "kind of the outcome");
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
        (, amount) = vault.readPayee(id(index));
    }

    /// Everything that the vault owes, added up from its views.
    function owed() internal view returns (uint256 sum) {
        for (uint32 channel = 1; channel <= vault.channelCount(); ++channel) {
            Channels.ChannelView memory view_ = vault.readChannel(channel);
            sum += uint256(view_.free) + view_.bond;
        }
        for (uint32 payee = 1; payee <= vault.payeeCount(); ++payee) {
            (, uint48 amount) = vault.readPayee(payee);
            sum += amount;
        }
    }

    /// What all pots hold, added up from their view.
    function inPots() internal view returns (uint256 sum) {
        for (uint32 channel = 1; channel <= vault.channelCount(); ++channel) {
            sum += pots.readPot(channel).left;
        }
    }

    function conserved() internal view {
        same(owed(), vault.held(), "what is owed is what is held");
        same(token.balanceOf(address(vault)), vault.held(), "what is held is there");
        same(token.balanceOf(address(pots)), inPots(), "the pots hold what is left of bonds");
    }
}

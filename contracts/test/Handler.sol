// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Channels} from "../src/vault/Channels.sol";
import {PotsBase} from "../src/pots/PotsBase.sol";
import {Digests} from "../src/vault/Digests.sol";
import {Reasons} from "../src/vault/Reasons.sol";
import {Kit} from "./Kit.sol";
import {Vm} from "./Vm.sol";

/// @notice Everything that anybody can do to a vault, with honest and hostile actors, and books of its own beside it.
/// Each action is one thing that a caller may try; what the vault refuses is part of the game.
contract Handler is Kit {
    /// Channels 1 and 2 belong to honest payers; the keys of all others are in hostile hands.
    uint32 internal constant HONEST = 2;
    uint32 internal constant CHANNELS_MAX = 6;
    uint16 internal constant PAYEES = 3;

    // The books: what was signed and what moved, never read from the vault's storage.
    mapping(uint32 => mapping(uint16 => uint48)) public highestSigned;
    mapping(uint32 => mapping(uint16 => uint48)) public lastSettled;
    mapping(uint32 => uint256) public returned;
    mapping(uint32 => uint256) public deposited;
    mapping(uint32 => uint256) public credited;
    mapping(uint32 => uint256) public slashed;
    mapping(uint32 => uint256) public shares;
    mapping(uint32 => uint256) public settled;
    mapping(uint16 => uint256) public withdrawn;
    // What carriers got, all of them the stranger.
    uint256 public fees;
    // What of it went to somebody else: to carriers, and where a payout is fixed.
    mapping(uint16 => uint256) public elsewhere;
    mapping(uint16 => uint256) public gained;
    uint256 public clock;
    uint256 public frozenLeft;
    uint256 public thawedFor = 1000 days;
    mapping(uint32 => uint256) public exitAt;
    mapping(bytes32 => uint256) public calls;
    /// What the reserve holds, by the books.
    uint256 public reserved;
    // What payees leave to whoever submits, in ten-thousandths; what they paid in the batch at hand; what submitters earned.
    mapping(uint16 => uint256) public rates;
    uint256[3] private paidFees;
    mapping(uint32 => uint256) public earned;
    // Batches that were announced.
    bytes[] private announced;

    struct Line {
        uint32 seq;
        uint48 spent;
        uint48[3] paid;
    }

    mapping(uint32 => Line) private lines;
    // Rows that were seen on the air, for replays, proofs and claims.
    mapping(uint32 => bytes[]) private rows;
    mapping(uint32 => bytes[]) private taps;

    constructor() {
        build();
        for (uint32 i = 1; i <= 3; ++i) {
            open(i, 0);
        }
        for (uint16 i = 0; i < 2; ++i) {
            vm.prank(OPERATOR);
            registry.accredit(id(i), 3);
        }
        // Who submits: the stranger and the hub's settler.
        vault.registerPayee(STRANGER);
        vault.registerPayee(address(this));
        token.approve(address(reserve), type(uint256).max);
        reserve.deposit(1_000_000, address(this));
        reserved = 1_000_000;
        warp(2 hours);
        clock = vault.clock();
    }

    address private constant HEIR = address(0x4e1);

    function key(uint32 channel) private pure returns (uint256) {
        return 0x1000 + channel;
    }

    function open(uint256 seed, uint48 more) public {
        if (vault.channelCount() >= CHANNELS_MAX) return;
        uint32 channel = vault.channelCount() + 1;
        uint48 amount = DEPOSIT + more % 1000;
        uint48 bond = uint48(vault.bondNeeded(amount)) + uint48(seed % 100);
        try vault.open(OWNER, vm.addr(key(channel)), amount, bond) {
            deposited[channel] += amount;
            ++calls["open"];
        } catch {}
    }

    function topUp(uint256 seed, uint48 amount) external {
        uint32 channel = pick(seed);
        amount = amount % 5000 + 1;
        try vault.topUp(channel, amount, uint48(vault.bondNeeded(amount))) {
            deposited[channel] += amount;
            ++calls["topUp"];
        } catch {}
    }

    /// An honest payer's next voucher: it never spends more than its channel holds.
    function pay(uint256 seed, uint16 payee, uint48 amount, bool asStatement) external {
        uint32 channel = uint32(seed % HONEST) + 1;
        Line storage line = lines[channel];
        payee %= PAYEES;
        amount = amount % 20_000 + 1;
        Channels.ChannelView memory view_ = vault.readChannel(channel);
        // A payer stays within its lease, which a hub never signs above this, nor for a channel that is leaving.
        if (view_.exitReady != 0) return;
        if (line.spent + amount > uint256(view_.deposited) + view_.credited - view_.bond) return;
        line.seq += 1;
        line.spent += amount;
        line.paid[payee] += amount;
        Message memory message = opened(plain(channel, line.seq, line.spent, payee, line.paid[payee]), amount);
        message.key = key(channel);
        if (asStatement) {
            message.kind = STATEMENT | OPENED;
            message.list = new Entry[](2);
            message.list[0] = Entry((payee + 1) % PAYEES, line.paid[(payee + 1) % PAYEES]);
            message.list[1] = Entry((payee + 2) % PAYEES, line.paid[(payee + 2) % PAYEES]);
        }
        keep(message);
        ++calls["pay"];
    }

    /// A cloned or hostile payer signs whatever helps somebody.
    function cheat(uint256 seed, uint32 seq, uint16 payee, uint48 spent, uint48 paid) external {
        uint32 channel = uint32(seed % (CHANNELS_MAX - HONEST)) + HONEST + 1;
        if (channel > vault.channelCount()) return;
        payee %= PAYEES;
        // Half of them as a lease would allow, so that an accredited payee can be harmed by them.
        uint48 most = (seed >> 200) % 2 == 0 ? FUNDS : DEPOSIT * 2;
        paid = paid % most;
        Message memory message = plain(channel, seq % 4, spent % most, payee, paid);
        message.key = key(channel);
        uint256 kind = (seed >> 8) % 4;
        if (kind == 1) {
            message.kind = STATEMENT;
            message.list = new Entry[](1);
            message.list[0] = Entry((payee + 1) % PAYEES, uint48((seed >> 16) % DEPOSIT));
        } else if (kind == 2) {
            message.kind = STREAM;
            message.seed = bytes32(seed);
            message.tickValue = uint48((seed >> 16) % 5000);
            message.ticks = 9;
            message.k = uint16((seed >> 32) % 10);
        } else if (kind == 3) {
            message = opened(message, uint48((seed >> 16) % DEPOSIT));
        }
        keep(message);
        ++calls["cheat"];
    }

    /// Anyone settles any rows that were ever seen, in any order, with rubbish between them.
    function settleSeen(uint256 seed, uint256 count) external {
        if (frozenLeft != 0) return;
        bytes memory data = header();
        count = count % 4 + 1;
        for (uint256 i = 0; i < count; ++i) {
            uint32 channel = pick(uint256(keccak256(abi.encode(seed, i))));
            bytes[] storage seen = rows[channel];
            if (seen.length == 0) continue;
            bytes memory row = seen[(seed >> 16) % seen.length];
            if ((seed >> (i + 8)) % 5 == 0) {
                row = bytes.concat(row);
                row[1 + (seed >> 32) % 110] ^= bytes1(uint8(seed >> 40));
                // Framing is the submitter's own: keep the payee's index and a list's length.
                row[15] = 0;
                row[16] = bytes1(uint8(uint256(uint8(row[16])) % PAYEES));
            }
            data = bytes.concat(data, row);
        }
        uint256 who = (seed >> 96) % 3;
        if (who == 0) {
            // The hub's settler.
            note(settle(data));
        } else if (who == 1) {
            // Without the hub's word nothing moves at once.
            vm.prank(STRANGER);
            Outcome[] memory outcomes = settle(data);
            for (uint256 i = 0; i < outcomes.length; ++i) {
                same(outcomes[i].moved, 0, "settled at once by a stranger");
            }
        } else {
            vm.prank(STRANGER);
            try vault.announce(data) {
                announced.push(data);
                ++calls["announce"];
            } catch {}
        }
    }

    /// Anyone executes an announced batch; what isn't due is refused.
    function execute(uint256 seed) external {
        if (announced.length == 0) return;
        bytes memory data = announced[seed % announced.length];
        uint256 at = vault.announcedAt(keccak256(data));
        vm.recordLogs();
        vm.prank(STRANGER);
        try vault.execute(data) {
            holds(frozenLeft == 0, "executed while frozen");
            holds(at != 0 && clock >= at + 48 hours && clock <= at + 9 days, "executed out of its time");
            Vm.Log[] memory logs = vm.getRecordedLogs();
            // The last one says that it was executed.
            assembly ("memory-safe") {
                mstore(logs, sub(mload(logs), 1))
            }
            sawFees(logs, 1);
            note(outcomesOf(logs));
            ++calls["execute"];
        } catch {}
    }

    /// A payee gives back a part of a tap; hostile ones credit taps of a hostile payer too.
    function giveCredit(uint256 seed, uint48 part) external {
        if (frozenLeft != 0) return;
        uint32 channel = pick(seed);
        bytes[] storage seen = taps[channel];
        if (seen.length == 0) return;
        Message memory message = abi.decode(seen[(seed >> 16) % seen.length], (Message));
        uint8 kind = message.kind & 0x0f;
        if (kind == STATEMENT) {
            message.lanes = listHash(message.list);
            message.kind = message.kind & 0xf0 | LANES;
        }
        message = credit(message, message.amount, part % (message.amount + 2));
        note(settle(batch(message)));
    }

    function withdraw(uint16 payee, uint48 amount) external {
        payee %= PAYEES;
        uint48 has = balance(payee);
        if (has == 0) return;
        amount = amount % has + 1;
        vm.prank(payeeAt(payee));
        try vault.withdraw(id(payee), payeeAt(payee), amount) {
            withdrawn[payee] += amount;
            ++calls["withdraw"];
        } catch {}
    }

    /// Somebody carries what the payee signed.
    function carry(uint16 payee, uint48 amount, uint48 fee) external {
        payee %= PAYEES;
        uint48 has = balance(payee);
        if (has == 0) return;
        amount = amount % has + 1;
        fee = fee % (amount + 1);
        uint40 deadline = uint40(block.timestamp);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Withdrawal(uint32 payee,address to,uint48 amount,uint48 fee,uint32 nonce,uint40 deadline)"),
                id(payee),
                payeeAt(payee),
                amount,
                fee,
                mandates.nonceOf(id(payee)),
                deadline
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(payeeKey(payee), keccak256(abi.encodePacked(hex"1901", separator, structHash)));
        uint256 before = token.balanceOf(STRANGER);
        vm.prank(STRANGER);
        try mandates.withdrawFor(id(payee), payeeAt(payee), amount, fee, deadline, abi.encodePacked(r, s, v)) {
            same(token.balanceOf(STRANGER) - before, fee, "the fee and nothing more");
            withdrawn[payee] += amount;
            elsewhere[payee] += fee;
            fees += fee;
            ++calls["carry"];
        } catch {}
    }

    /// The last payee's money goes to one place from some time on; anybody sends it there.
    function payOut(bool fix) external {
        uint16 payee = PAYEES - 1;
        if (fix && mandates.payoutOf(id(payee)) == address(0)) {
            vm.prank(payeeAt(payee));
            mandates.fixPayout(id(payee), HEIR);
        }
        uint48 has = balance(payee);
        uint256 before = token.balanceOf(HEIR);
        vm.prank(STRANGER);
        try mandates.payOut(id(payee)) {
            same(token.balanceOf(HEIR) - before, has, "all of it, to whom the payee said");
            withdrawn[payee] += has;
            elsewhere[payee] += has;
            ++calls["payOut"];
        } catch {}
    }

    /// A payee leaves a part of what is settled for it to whoever submits it.
    function agreeFee(uint16 payee, uint8 rate) external {
        payee %= PAYEES;
        vm.prank(payeeAt(payee));
        try mandates.registerWithFee(rate) {
            holds(rates[payee] == 0 && rate <= 100, "agreed twice, or to more than 1 %");
            rates[payee] = rate;
            ++calls["agreeFee"];
        } catch {}
    }

    function sawFee(uint32 payee, uint32 submitter, uint48 fee) internal override {
        paidFees[payee - 1] += fee;
        earned[submitter] += fee;
        if (fee != 0) ++calls["fee"];
    }

    /// A channel changes hands.
    function give(uint256 seed) external {
        uint32 channel = pick(seed);
        address owner = vault.ownerOf(channel);
        address next = owner == OWNER ? HEIR : OWNER;
        vm.prank(owner);
        mandates.offerChannel(channel, next);
        vm.prank(next);
        mandates.acceptChannel(channel);
        same(vault.ownerOf(channel), next, "handed on");
        ++calls["give"];
    }

    function startExit(uint256 seed, bool replace) external {
        // Channels rarely leave, so that the rest of the game goes on.
        if ((seed >> 128) % 4 != 0) return;
        uint32 channel = pick(seed);
        if (replace && vault.channelCount() >= CHANNELS_MAX) return;
        address next = replace ? vm.addr(key(vault.channelCount() + 1)) : address(0);
        vm.prank(vault.ownerOf(channel));
        if (!replace && (seed >> 64) % 4 != 0) {
            try mandates.startExitTo(channel, HEIR) {
                exitAt[channel] = clock + 15 days;
                ++calls["startExitTo"];
            } catch {}
            return;
        }
        try vault.startExit(channel, next) {
            exitAt[channel] = clock + 15 days;
            ++calls["startExit"];
        } catch {}
    }

    function finishExit(uint256 seed) external {
        uint32 channel = pick(seed);
        address owner = vault.ownerOf(channel);
        uint256 before = token.balanceOf(owner);
        uint32 count = vault.channelCount();
        if (channel <= HONEST) settleAllOf(channel);
        uint48 bond = vault.readChannel(channel).bond;
        uint48 freeBefore = free(channel);
        vm.prank(STRANGER);
        try vault.finishExit(channel) {
            holds(exitAt[channel] != 0 && clock >= exitAt[channel], "left before the delay was over");
            holds(frozenLeft == 0, "left while frozen");
            uint256 got = token.balanceOf(owner) - before;
            if (vault.channelCount() > count) {
                same(got, 0, "a replaced key pays nobody");
                got = vault.readChannel(count + 1).deposited;
                deposited[count + 1] = got;
            }
            same(got, uint256(bond) + freeBefore, "all that is unspent");
            returned[channel] += got;
            ++calls["finishExit"];
        } catch {}
    }

    /// Payees have until the last second: whatever an honest payer signed is still there for them, to the unit.
    function settleAllOf(uint32 channel) private {
        if (frozenLeft != 0 || exitAt[channel] == 0 || returned[channel] != 0) return;
        bytes memory data = header();
        bytes[] storage seen = rows[channel];
        for (uint256 i = 0; i < seen.length; ++i) {
            data = bytes.concat(data, seen[i]);
        }
        note(settle(data));
        for (uint16 payee = 0; payee < PAYEES; ++payee) {
            same(vault.settled(channel, id(payee)), lines[channel].paid[payee], "an exit outran a voucher");
        }
        ++calls["settleAll"];
    }

    function warp(uint256 time) public {
        time = time % 5 days + 1;
        uint256 frozen = time < frozenLeft ? time : frozenLeft;
        frozenLeft -= frozen;
        thawedFor = frozenLeft == 0 ? thawedFor + time - frozen : 0;
        clock += time - frozen;
        vm.warp(block.timestamp + time);
    }

    function freeze(uint40 duration) external {
        duration = duration % 8 days;
        vm.prank(GUARDIAN);
        try vault.freeze(duration) {
            holds(duration <= 7 days && frozenLeft == 0 && thawedFor >= 90 days, "frozen too long or too often");
            frozenLeft = duration;
            thawedFor = 0;
            ++calls["freeze"];
        } catch {}
    }

    function liftFreeze() external {
        vm.prank(address(timelock));
        try vault.liftFreeze() {
            frozenLeft = 0;
            ++calls["lift"];
        } catch {}
    }

    /// A reporter shows any two or three messages of a channel under any rule.
    function prove(uint256 seed, uint8 rule) external {
        uint32 channel = pick(seed);
        bytes[] storage seen = rows[channel];
        if (seen.length < 2) return;
        bytes memory evidence =
            bytes.concat(header(), seen[(seed >> 8) % seen.length], seen[(seed >> 24) % seen.length]);
        rule = rule % 3 + 1;
        if (rule == 3) evidence = bytes.concat(evidence, seen[(seed >> 40) % seen.length]);
        uint48 bond = vault.readChannel(channel).bond;
        vm.prank(STRANGER);
        try pots.proveFraud(rule, evidence) {
            holds(channel > HONEST, "an honest payer was proved a cheater");
            slashed[channel] += bond;
            ++calls["prove"];
        } catch {}
    }

    /// Claims under leases that a hostile hub signs as it likes.
    function registerShortfall(uint256 seed) external {
        uint32 channel = pick(seed);
        bytes[] storage seen = rows[channel];
        if (seen.length == 0) return;
        bytes memory row = seen[(seed >> 8) % seen.length];
        uint16 payee = uint16(uint8(row[16]));
        bytes memory evidence = bytes.concat(header(), row);
        // With one that may overlap; those that don't fit are refused whole.
        if ((seed >> 64) % 2 == 0) evidence = bytes.concat(evidence, seen[(seed >> 72) % seen.length]);
        LeaseOf memory lease = (seed >> 96) % 2 == 0
            ? wideLease(channel, uint48((seed >> 104) % BOND))
            : leaseFor(channel, uint48((seed >> 104) % (BOND / 3)), members(payee, uint8((seed >> 160) % 5)));
        lease.guarantee = uint48((seed >> 168) % BOND);
        // Of the time of the proof, as an honest hub's is and a thief's may be.
        lease.issuedAt = pots.readPot(channel).openedAt;
        certify();
        try pots.registerShortfall(evidence, leaseBytes(lease)) {
            ++calls["shortfall"];
        } catch {}
    }

    /// The root certifies the hub's key for another month when its term is over.
    function certify() private {
        address key = vm.addr(HUB_KEY);
        uint40 now_ = uint40(block.timestamp);
        if (registry.readHubKey(key).until >= now_) return;
        bytes32 structHash = Digests.hubKey(key, now_, now_ + 30 days, 0, now_);
        bytes memory signature = compact(ROOT, Digests.digest(separator, structHash));
        bytes32 r;
        bytes32 vs;
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            vs := mload(add(signature, 0x40))
        }
        registry.addHubKey(key, now_, now_ + 30 days, 0, now_, r, vs);
    }

    function collect(uint256 seed, uint16 payee) external {
        uint32 channel = pick(seed);
        payee %= PAYEES;
        uint48 before = balance(payee);
        uint48 settledBefore = vault.settled(channel, id(payee));
        uint256 reserveBefore = token.balanceOf(address(reserve));
        try pots.collectShare(channel, id(payee)) {
            uint48 share = balance(payee) - before;
            uint48 raised = vault.settled(channel, id(payee)) - settledBefore;
            holds(raised <= share, "a share pays for what it settles");
            shares[channel] += raised;
            gained[payee] += share;
            reserved = reserved + token.balanceOf(address(reserve)) - reserveBefore;
            ++calls["collect"];
        } catch {}
    }

    function closePot(uint256 seed) external {
        uint32 channel = pick(seed);
        uint48 left = pots.readPot(channel).left;
        try pots.closePot(channel) {
            reserved += left;
            ++calls["closePot"];
        } catch {}
    }

    function provide(uint48 amount) external {
        amount = amount % 100_000 + 1;
        reserve.deposit(amount, address(this));
        reserved += amount;
        ++calls["provide"];
    }

    function leave(uint256 seed) external {
        // Asking again starts the time anew, so it asks once.
        (uint256 leaving,) = reserve.leavingOf(address(this));
        if (leaving == 0) {
            uint256 has = reserve.balanceOf(address(this));
            if (has != 0) reserve.askToLeave(seed % has + 1);
            return;
        }
        uint256 due = reserve.maxRedeem(address(this));
        if (due == 0) return;
        try reserve.redeem(due, address(this), address(this)) returns (uint256 amount) {
            reserved -= amount;
            ++calls["leave"];
        } catch {}
    }

    /// A hostile hub vouches for whom it likes, whenever it likes.
    function accredit(uint16 payee, uint16 terminals, bool yes) external {
        vm.prank(OPERATOR);
        if (yes) {
            try registry.accredit(id(payee % PAYEES), terminals % 5 + 1) {} catch {}
        } else {
            try registry.endAccreditation(id(payee % PAYEES)) {} catch {}
        }
    }

    // ---- books ----

    function pick(uint256 seed) private view returns (uint32) {
        return uint32(seed % vault.channelCount()) + 1;
    }

    function keep(Message memory message) private {
        rows[message.channel].push(rowOf(message));
        if (message.kind & OPENED != 0) taps[message.channel].push(abi.encode(message));
        uint48 top = message.paid;
        if (message.kind & 0x0f == STREAM) top += message.k * message.tickValue;
        raise(message.channel, message.payee, top);
        for (uint256 i = 0; i < message.list.length; ++i) {
            raise(message.channel, message.list[i].payee, message.list[i].paid);
        }
    }

    function raise(uint32 channel, uint16 payee, uint48 top) private {
        if (top > highestSigned[channel][payee]) highestSigned[channel][payee] = top;
    }

    /// Books what a batch says it moved.
    function note(Outcome[] memory outcomes) private {
        int256[3] memory brought;
        for (uint256 i = 0; i < outcomes.length; ++i) {
            Outcome memory outcome = outcomes[i];
            if (outcome.moved == 0) continue;
            uint16 payee = uint16(outcome.payee - 1);
            if (outcome.kind & CREDIT != 0) {
                credited[outcome.channel] += outcome.moved;
                gained[payee] -= outcome.moved;
                brought[payee] -= int256(uint256(outcome.moved));
                ++calls["credit"];
            } else {
                holds(outcome.reason == Reasons.APPLIED || outcome.reason == Reasons.PARTLY, "money without a reason");
                settled[outcome.channel] += outcome.moved;
                gained[payee] += outcome.moved;
                brought[payee] += int256(uint256(outcome.moved));
                ++calls["settle"];
            }
        }
        for (uint16 payee = 0; payee < PAYEES; ++payee) {
            uint256 fee = brought[payee] > 0 ? uint256(brought[payee]) * rates[payee] / 10_000 : 0;
            same(paidFees[payee], fee, "the fee that the payee agreed to");
            gained[payee] -= fee;
            paidFees[payee] = 0;
        }
    }

    function check() external {
        conserved();
        same(vault.clock(), clock, "the clock runs only while the vault does");
        for (uint32 channel = 1; channel <= vault.channelCount(); ++channel) {
            checkChannel(channel);
        }
        for (uint16 payee = 0; payee < PAYEES; ++payee) {
            same(balance(payee) + withdrawn[payee], gained[payee], "a payee has what its vouchers brought");
            same(token.balanceOf(payeeAt(payee)), withdrawn[payee] - elsewhere[payee], "and took no more");
        }
        for (uint32 submitter = PAYEES + 1; submitter <= PAYEES + 2; ++submitter) {
            (, uint48 units) = vault.readPayee(submitter);
            same(units, earned[submitter], "a submitter has the fees that payees agreed to");
        }
        same(token.balanceOf(STRANGER), fees, "nobody else gains");
        same(token.balanceOf(GUARDIAN), 0, "the guardian gains nothing");
        same(token.balanceOf(OPERATOR), 0, "the hub gains nothing");
        same(token.balanceOf(address(timelock)), 0, "the timelock gains nothing");
        same(token.balanceOf(address(reserve)), reserved, "the reserve holds what its books say");
        holds(reserve.earmarked() <= reserved, "no more is set aside than there is");
    }

    function checkChannel(uint32 channel) private {
        Channels.ChannelView memory view_ = vault.readChannel(channel);
        same(view_.deposited, deposited[channel], "deposits");
        same(view_.credited, credited[channel], "credits");
        same(
            deposited[channel] + credited[channel],
            settled[channel] + view_.bond + slashed[channel] + view_.free + returned[channel],
            "deposit + credits = settled + bond + slashed + free + returned"
        );
        uint256 lanes;
        for (uint16 payee = 0; payee < PAYEES; ++payee) {
            uint48 now_ = vault.settled(channel, id(payee));
            lanes += now_;
            holds(now_ >= lastSettled[channel][payee], "a lane never falls");
            holds(now_ <= highestSigned[channel][payee], "a lane never exceeds what was signed");
            holds(vault.laneCredited(channel, id(payee)) <= now_, "credits stay within the lane");
            lastSettled[channel][payee] = now_;
        }
        same(lanes, settled[channel] + shares[channel], "lanes add up");
        PotsBase.Pot memory pot = pots.readPot(channel);
        holds(pot.left <= pot.bond, "a pot only shrinks");
        holds(pot.drawn <= pot.guarantee, "no more is drawn than was set aside");
        same(pot.bond, slashed[channel], "a pot is the lost bond");
        if (channel <= HONEST) holds(!view_.slashed, "an honest payer keeps its bond");
    }
}

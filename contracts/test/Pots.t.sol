// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims} from "../src/pots/Claims.sol";
import {Leases} from "../src/pots/Leases.sol";
import {PotsBase} from "../src/pots/PotsBase.sol";
import {Digests} from "../src/vault/Digests.sol";
import {Reasons} from "../src/vault/Reasons.sol";
import {Reserve} from "../src/Reserve.sol";
import {Kit} from "./Kit.sol";

/// @notice Who gets a lost bond: on what evidence, in which class, and when.
/// Not checked here: that nobody can thin out the covered, whatever the coalition does (npm run model:pots).
contract PotsTest is Kit {
    uint48 private constant CAP = 39_400;
    uint32 private channel;

    function setUp() public {
        build();
        channel = openFor(PAYER);
        for (uint16 i = 0; i < 3; ++i) {
            vm.prank(OPERATOR);
            registry.accredit(id(i), 2);
        }
        vm.warp(block.timestamp + 2 hours);
    }

    /// Everything free goes to the cheater's friend, payee 2; then the proof.
    function cheat() private {
        settle(batch(plain(channel, 100, FUNDS, 2, FUNDS)));
        pots.proveFraud(1, batch(plain(channel, 1, 1, 0, 1), plain(channel, 1, 1, 1, 1)));
    }

    function sale(uint16 payee, uint48 amount) private view returns (Message memory) {
        return opened(plain(channel, 1, amount, payee, amount), amount);
    }

    /// A lease for terminals of payees 0 and 1.
    function covered() private view returns (bytes memory) {
        return leaseBytes(leaseFor(channel, CAP, members(0, 2, 1, 2)));
    }

    function claim(uint16 payee, uint48 amount, bytes memory leases) private {
        pots.registerShortfall(batch(sale(payee, amount)), leases);
    }

    function claimed(uint16 payee) private view returns (Claims.Claim memory) {
        return pots.readClaim(channel, id(payee));
    }

    function collect(uint16 payee) private returns (uint48) {
        uint48 before = balance(payee);
        pots.collectShare(channel, id(payee));
        conserved();
        return balance(payee) - before;
    }

    function close() private {
        vm.warp(block.timestamp + 11 days);
    }

    function inReserve() private view returns (uint256) {
        return token.balanceOf(address(reserve));
    }

    // ---- audits ----

    /// U: one honest line of 40 acknowledged taps, nothing settled; then the payer wants a helper's invented voucher
    /// settled. Nobody was offline, and nobody loses: the invented row waits, and the payee brings its own.
    function test_U_acknowledgedMoneyIsNotSettledAway() public {
        Message memory last = opened(plain(channel, 40, 700_000, 0, 700_000), 17_500);
        bytes memory invented = batch(plain(channel, 41, FUNDS, 1, FUNDS));
        vm.prank(STRANGER);
        vault.settle(invented);
        same(balance(1), 0, "the helper has nothing");
        vm.prank(STRANGER);
        vault.announce(invented);
        vm.warp(block.timestamp + 47 hours);
        vm.prank(payeeAt(0));
        vault.settle(batch(acknowledged(last)));
        same(balance(0), 700_000, "acknowledged, and there");
        vm.warp(block.timestamp + 1 hours);
        vault.execute(invented);
        same(balance(1), FUNDS - 700_000, "what was nobody's");
    }

    /// J: the payer lets a lane start high, so that its top says 800,000 where 17,500 were sold. What was sold counts.
    function test_J_aJumpOfTheBaseShiftsNothing() public {
        settle(batch(plain(channel, 1, FUNDS, 1, FUNDS)));
        Message memory v = opened(plain(channel, 2, 100_000, 0, 100_000), 100_000);
        Message memory a = opened(plain(channel, 2, FUNDS, 2, FUNDS), 17_500);
        pots.proveFraud(1, batch(v, a));
        bytes memory leases = leaseBytes(leaseFor(channel, 50_000, members(0, 2, 2, 2)));
        pots.registerShortfall(batch(v), leases);
        pots.registerShortfall(batch(a), leases);
        close();
        same(collect(0), 100_000, "the victim");
        same(collect(2), 17_500, "what it gave, no more");
        same(inReserve(), BOND - 117_500, "the rest");
    }

    /// A3: credits in a circle with a helper once lifted what an accomplice might claim. They move nothing now.
    function test_A3_creditsInACircleThinNobody() public {
        uint48 paid;
        for (uint32 seq = 1; seq <= 4; ++seq) {
            paid += FUNDS;
            Message memory up = credit(plain(channel, seq, paid, 2, paid), FUNDS, FUNDS);
            Message memory raise = plain(channel, seq, paid, 2, paid);
            raise.request = requestOf(up);
            settle(batch(raise, up));
        }
        settle(batch(plain(channel, 5, paid + FUNDS, 2, paid + FUNDS)));
        pots.proveFraud(1, batch(plain(channel, 9, 1, 0, 1), plain(channel, 9, 1, 1, 1)));
        claim(0, 78_800, covered());
        // The accomplice shows all it likes.
        uint48 all = 5 * FUNDS;
        pots.registerShortfall(batch(opened(plain(channel, 1000, all, 1, all), all)), covered());
        same(claimed(1).c1, 2 * CAP, "its terminals times the cap");
        close();
        same(collect(0), 78_800, "made whole");
        same(collect(1), 78_800, "what its cap covers");
    }

    // ---- classes ----

    function test_theCoveredAreMadeWholeBeforeTheWide() public {
        cheat();
        bytes memory wide = leaseBytes(wideLease(channel, 150_000));
        claim(2, FUNDS + 250_000, wide);
        claim(0, 70_000, covered());
        claim(1, 30_000, covered());
        same(pots.readPot(channel).sum1, 100_000, "covered");
        same(pots.readPot(channel).sum2, BOND, "wide claims end at the bond");
        close();
        same(collect(2), 100_000, "what the covered leave");
        same(collect(0), 70_000, "whole");
        same(collect(1), 30_000, "whole");
        same(inReserve(), 0, "nothing left");
    }

    function test_onePayeeMayBeCoveredInPartAndWideInPart() public {
        cheat();
        LeaseOf memory lease = leaseFor(channel, CAP, members(0, 1));
        claim(0, 70_000, bytes.concat(leaseBytes(wideLease(channel, CAP)), leaseBytes(lease)));
        same(claimed(0).c1, CAP, "one terminal in scope");
        same(claimed(0).c2, 70_000 - CAP, "the other wide");
        same(claimed(0).all, 2 * CAP, "two terminals in all");
        close();
        same(collect(0), 70_000, "both");
    }

    function test_terminalsAreThoseTheHubVouchedForAtTheProof() public {
        vm.prank(OPERATOR);
        registry.accredit(id(0), 9);
        cheat();
        claim(0, 300_000, leaseBytes(leaseFor(channel, CAP, members(0, 5))));
        same(claimed(0).c1, 2 * CAP, "two, whatever a lease says and whatever comes");
    }

    function test_wideClaimsAreCutProRata() public {
        cheat();
        bytes memory wide = leaseBytes(wideLease(channel, BOND));
        claim(0, 300_000, wide);
        claim(1, 100_000, wide);
        same(claimed(0).c2, BOND, "cut at the bond");
        close();
        same(collect(0), 133_333, "two thirds");
        same(collect(1), 66_666, "one third");
        same(inReserve(), 1, "dust");
    }

    /// A stolen key dates back; once it is revoked its leases come behind those of good keys.
    function test_leasesOfARevokedKeyComeSecond() public {
        uint256 other = 0x40c;
        addKey(other);
        vm.warp(block.timestamp + 1);
        cheat();
        LeaseOf memory stolen = leaseFor(channel, CAP, members(1, 5));
        stolen.key = other;
        bytes memory back = leaseBytes(stolen);
        claim(1, 300_000, back);
        same(claimed(1).c1, 2 * CAP, "while nobody knows");
        revokeKey(other);
        claim(0, 78_800, leaseBytes(leaseFor(channel, CAP, members(0, 5))));
        bytes memory others = covered();
        vm.expectPartialRevert(Claims.OtherLeases.selector);
        pots.refreshClaim(channel, id(1), others);
        pots.refreshClaim(channel, id(1), back);
        same(claimed(1).c1, 0, "not among the good");
        same(claimed(1).cR, 2 * CAP, "but second");
        pots.refreshClaim(channel, id(1), back);
        same(pots.readPot(channel).sumR, 2 * CAP, "and no more for being looked at again");
        claim(2, FUNDS + 100_000, leaseBytes(wideLease(channel, CAP)));
        close();
        same(collect(0), 78_800, "first");
        same(collect(1), 78_800, "second");
        same(collect(2), 42_400, "what is left for the wide");
    }

    function addKey(uint256 key) private {
        uint40 now_ = uint40(block.timestamp);
        (bytes32 r, bytes32 vs) = byRoot(Digests.hubKey(vm.addr(key), now_, now_ + 30 days, 0, now_));
        registry.addHubKey(vm.addr(key), now_, now_ + 30 days, 0, now_, r, vs);
    }

    function revokeKey(uint256 key) private {
        (bytes32 r, bytes32 vs) = byRoot(Digests.hubKeyRevoked(vm.addr(key), 1));
        registry.revokeHubKey(vm.addr(key), 1, r, vs);
    }

    function byRoot(bytes32 structHash) private view returns (bytes32 r, bytes32 vs) {
        bytes memory signature = compact(ROOT, Digests.digest(separator, structHash));
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            vs := mload(add(signature, 0x40))
        }
    }

    // ---- leases as evidence ----

    function refusesLease(bytes4 why, LeaseOf memory lease) private {
        bytes memory evidence = batch(sale(0, 1000));
        bytes memory data = leaseBytes(lease);
        vm.expectPartialRevert(why);
        pots.registerShortfall(evidence, data);
    }

    function test_whichLeasesCount() public {
        cheat();
        uint40 opened_ = uint40(block.timestamp);
        bytes4 time = Leases.LeaseOutOfTime.selector;
        LeaseOf memory lease = leaseFor(channel, CAP, members(0, 2));
        lease.issuedAt = opened_ + 1 hours + 1;
        refusesLease(time, lease);
        lease.issuedAt = opened_ - 2 hours;
        lease.expiresAt = opened_ - 9 days - 1;
        refusesLease(time, lease);
        lease.expiresAt = opened_ - 9 days;
        claim(0, 1000, leaseBytes(lease));
        // Of a key of the hub, in its term.
        lease.issuedAt = opened_ - 2 hours - 1;
        refusesLease(Leases.NotALease.selector, lease);
        lease.issuedAt = opened_;
        lease.expiresAt = opened_ + 72 hours;
        lease.key = 0xbad;
        refusesLease(Leases.NotALease.selector, lease);
        // One that was carried to L2 only after the proof is a hub's invention.
        vm.warp(opened_ + 1);
        addKey(0x40c);
        lease.key = 0x40c;
        lease.issuedAt = opened_ + 1;
        refusesLease(Leases.NotALease.selector, lease);
        // Neither wider than what stands behind it, nor of single caps that are.
        lease.key = HUB_KEY;
        lease.issuedAt = opened_ + 1 hours;
        lease.cap = BOND / 4 + 1;
        refusesLease(Leases.CoverTooWide.selector, lease);
        lease.cap = BOND / 4;
        lease.members = members(0, 2, 1, 3);
        refusesLease(Leases.CoverTooWide.selector, lease);
        lease.guarantee = BOND / 4 - 1;
        refusesLease(Leases.CoverTooWide.selector, lease);
        lease.guarantee = BOND / 4;
        claim(0, 2000, leaseBytes(lease));
        // The guarantee counts up to the bond.
        lease.guarantee = type(uint48).max;
        lease.members = members(0, 2, 1, 7);
        refusesLease(Leases.CoverTooWide.selector, lease);
        // And with the payee in it.
        lease.members = members(1, 2);
        refusesLease(Leases.NotInScope.selector, lease);
        lease.members = members(0, 0);
        refusesLease(Leases.NotInScope.selector, lease);
        lease.members = members(1, 1, 0, 1);
        refusesLease(Leases.NotRising.selector, lease);
    }

    function test_everyFieldOfALeaseIsSigned() public {
        cheat();
        bytes memory evidence = batch(sale(0, 1000));
        bytes memory lease = covered();
        same(lease.length, 105 + 10, "105 bytes and 5 a member");
        for (uint256 i = 1; i < lease.length; i += 3) {
            lease[i] ^= 0x01;
            vm.expectRevert();
            pots.registerShortfall(evidence, lease);
            lease[i] ^= 0x01;
        }
        bytes memory shorter = new bytes(lease.length - 1);
        for (uint256 i = 0; i < shorter.length; ++i) {
            shorter[i] = lease[i];
        }
        vm.expectPartialRevert(Leases.TruncatedLease.selector);
        pots.registerShortfall(evidence, shorter);
        pots.registerShortfall(evidence, lease);
    }

    /// Each scope once, or a payee would count a renewed lease twice.
    function test_scopesAddUpAndAreShownOnce() public {
        cheat();
        bytes memory evidence = batch(sale(0, 300_000));
        bytes memory a = leaseBytes(leaseFor(channel, CAP, members(0, 1)));
        bytes memory b = leaseBytes(leaseFor(channel, 10_000, members(0, 1, 1, 1)));
        vm.expectRevert(Leases.NotRising.selector);
        pots.registerShortfall(evidence, bytes.concat(a, a));
        bool rising = keccak256(abi.encodePacked(id(0), uint8(1)))
            < keccak256(abi.encodePacked(id(0), uint8(1), id(1), uint8(1)));
        pots.registerShortfall(evidence, rising ? bytes.concat(a, b) : bytes.concat(b, a));
        same(claimed(0).c1, CAP + 10_000, "both scopes");
        vm.expectPartialRevert(Claims.LessCover.selector);
        pots.registerShortfall(evidence, a);
    }

    function test_withoutALeaseNothingIsOwed() public {
        cheat();
        bytes memory evidence = batch(sale(0, 1000));
        vm.expectRevert(Claims.NotShort.selector);
        pots.registerShortfall(evidence, "");
    }

    /// A freeze kept payees from settling, so the leases of that time count as much longer.
    function test_aFreezeBeforeTheProofMakesLeasesCountLonger() public {
        LeaseOf memory lease = leaseFor(channel, CAP, members(0, 2));
        lease.expiresAt = uint40(block.timestamp + 1 days);
        bytes memory data = leaseBytes(lease);
        vm.warp(block.timestamp + 2 days);
        vm.prank(GUARDIAN);
        vault.freeze(5 days);
        vm.warp(block.timestamp + 13 days);
        uint256 snapshot = vm.snapshotState();
        cheat();
        claim(0, 1000, data);
        vm.revertToState(snapshot);
        vm.warp(block.timestamp + 1);
        cheat();
        bytes memory evidence = batch(sale(0, 1000));
        vm.expectPartialRevert(Leases.LeaseOutOfTime.selector);
        pots.registerShortfall(evidence, data);
    }

    // ---- Released ----

    function released(uint16 payee, uint40 until) private view returns (bytes memory) {
        return compact(
            payeeKey(payee), Digests.digest(separator, Digests.released(channel, payeeAt(payee), until))
        );
    }

    function test_aPayeeSignsItsLeasesAway() public {
        bytes memory lease = covered();
        uint40 end = uint40(block.timestamp + 72 hours);
        cheat();
        bytes memory signature = released(0, end);
        vm.expectPartialRevert(Leases.NotSignedByPayee.selector);
        pots.releaseLeases(channel, id(1), end, signature);
        vm.expectPartialRevert(Leases.NotSignedByPayee.selector);
        pots.releaseLeases(channel, id(0), end + 1, signature);
        vm.prank(STRANGER);
        pots.releaseLeases(channel, id(0), end, signature);
        pots.releaseLeases(channel, id(0), end - 1, released(0, end - 1));
        same(pots.releasedUntil(channel, id(0)), end, "only grows");
        // A payee whose id isn't the channel's number by chance.
        pots.releaseLeases(channel, id(2), end, released(2, end));
        pots.releaseLeases(channel, id(2), end - 1, released(2, end - 1));
        same(pots.releasedUntil(channel, id(2)), end, "of any payee");
        bytes memory evidence = batch(sale(0, 1000));
        vm.expectPartialRevert(Leases.LeaseOutOfTime.selector);
        pots.registerShortfall(evidence, lease);
        claim(1, 1000, lease);
        same(claimed(1).c1, 1000, "another member keeps its own");
    }

    /// A payee that claims under a lease it had signed away loses what leases promised it.
    function test_aReleaseAfterTheClaimTakesItsCover() public {
        bytes memory lease = covered();
        uint40 end = uint40(block.timestamp + 72 hours);
        cheat();
        claim(0, 1000, lease);
        pots.releaseLeases(channel, id(0), end - 1, released(0, end - 1));
        same(claimed(0).c1, 1000, "an earlier one");
        pots.releaseLeases(channel, id(0), end, released(0, end));
        same(claimed(0).c1, 0, "gone");
        same(pots.readPot(channel).sum1, 0, "and out of the sum");
        close();
        same(collect(0), 0, "nothing");
    }

    /// Of several leases the one that ended first counts, wherever it stands.
    function test_aReleaseOfTheFirstOfSeveralLeasesTakesTheCover() public {
        Member[] memory alone = members(0, 2);
        Member[] memory both = members(0, 2, 1, 2);
        bool isAloneFirst = uint256(keccak256(abi.encodePacked(alone[0].payee, alone[0].terminals)))
            < uint256(keccak256(abi.encodePacked(both[0].payee, both[0].terminals, both[1].payee, both[1].terminals)));
        LeaseOf memory a = leaseFor(channel, CAP, isAloneFirst ? alone : both);
        LeaseOf memory b = leaseFor(channel, CAP, isAloneFirst ? both : alone);
        cheat();
        uint256 snapshot = vm.snapshotState();
        for (uint256 order = 0; order < 2; ++order) {
            uint40 end = uint40(block.timestamp + 71 hours);
            (a.expiresAt, b.expiresAt) = order == 0 ? (end, end + 1 hours) : (end + 1 hours, end);
            claim(0, 1000, bytes.concat(leaseBytes(a), leaseBytes(b)));
            same(claimed(0).c1, 1000, "covered");
            pots.releaseLeases(channel, id(0), end - 1, released(0, end - 1));
            same(claimed(0).c1, 1000, "before the first");
            pots.releaseLeases(channel, id(0), end, released(0, end));
            same(claimed(0).c1, 0, "gone");
            vm.revertToState(snapshot);
        }
    }

    /// A key's end doesn't end its leases at once: they count as long as devices take them.
    function test_aLeaseOutlivesItsKeyByALeasesLife() public {
        (, uint40 until,,,) = registry.hubKey(vm.addr(HUB_KEY));
        vm.warp(until);
        LeaseOf memory lease = leaseFor(channel, CAP, members(0, 2));
        lease.issuedAt = until;
        lease.expiresAt = until + 100 days;
        bytes memory data = leaseBytes(lease);
        cheat();
        pots.releaseLeases(channel, id(0), until + 72 hours - 1, released(0, until + 72 hours - 1));
        claim(0, 1000, data);
        same(claimed(0).firstEnd, until + 72 hours, "its end");
        pots.releaseLeases(channel, id(0), until + 72 hours, released(0, until + 72 hours));
        same(claimed(0).c1, 0, "signed away");
    }

    // ---- time ----

    function test_registeringEndsBeforeCollectingBegins() public {
        bytes memory lease = covered();
        cheat();
        same(pots.readPot(channel).closesAt, block.timestamp + 9 days, "window");
        same(pots.collectsAt(channel), block.timestamp + 11 days, "and the slow lane");
        claim(0, 1000, lease);
        vm.warp(block.timestamp + 9 days - 1);
        claim(0, 1001, lease);
        vm.warp(block.timestamp + 1);
        bytes memory late = batch(sale(0, 2000));
        vm.expectPartialRevert(Claims.PotIsClosed.selector);
        pots.registerShortfall(late, lease);
        vm.expectPartialRevert(Claims.PotIsOpen.selector);
        pots.collectShare(channel, id(0));
        vm.expectPartialRevert(Claims.PotIsOpen.selector);
        pots.closePot(channel);
        vm.warp(block.timestamp + 2 days - 1);
        pots.refreshClaim(channel, id(0), "");
        vm.warp(block.timestamp + 1);
        vm.expectPartialRevert(Claims.PotIsClosed.selector);
        pots.refreshClaim(channel, id(0), "");
        same(collect(0), 1001, "share");
        vm.expectPartialRevert(Claims.NoClaim.selector);
        pots.collectShare(channel, id(0));
        same(inReserve(), BOND - 1001, "rest");
        pots.closePot(channel);
        same(inReserve(), BOND - 1001, "once");
    }

    function test_freezeStopsTheWindow() public {
        cheat();
        bytes memory lease = covered();
        vm.prank(GUARDIAN);
        vault.freeze(7 days);
        vm.warp(block.timestamp + 7 days + 9 days - 1);
        claim(0, 1000, lease);
        vm.warp(block.timestamp + 2 days);
        vm.expectPartialRevert(Claims.PotIsOpen.selector);
        pots.collectShare(channel, id(0));
        vm.warp(block.timestamp + 1);
        same(collect(0), 1000, "share");
    }

    function test_aPotThatNobodyClaimsGoesToTheReserve() public {
        vm.expectPartialRevert(Claims.NoPot.selector);
        pots.closePot(channel);
        same(pots.collectsAt(channel), 0, "no pot");
        cheat();
        close();
        pots.closePot(channel);
        same(inReserve(), BOND, "reserve");
        conserved();
    }

    // ---- settled meanwhile ----

    /// Registering moves nothing: what is free stays for whoever's rows are due.
    function test_registeringMovesNoMoney() public {
        pots.proveFraud(1, batch(plain(channel, 1, 1, 0, 1), plain(channel, 1, 1, 1, 1)));
        claim(0, 1000, covered());
        same(balance(0), 0, "nothing moved");
        same(free(channel), FUNDS, "and all is free");
        same(claimed(0).c1, 1000, "short as long as it isn't settled");
        settle(batch(plain(channel, 1, 400, 0, 400)));
        pots.refreshClaim(channel, id(0), "");
        same(claimed(0).c1, 600, "refreshed");
        same(pots.readPot(channel).sum1, 600, "and the sum");
        settle(batch(plain(channel, 1, 700, 0, 700)));
        close();
        same(collect(0), 300, "at most what is short then");
        same(vault.settled(channel, id(0)), 1000, "whole");
        same(inReserve(), BOND - 300, "rest");
    }

    function test_whoStillClaimsWhatSettledKeepsOthersFromNothing() public {
        cheat();
        claim(0, 78_000, covered());
        claim(1, 78_000, covered());
        close();
        same(collect(1), 78_000, "one");
        vm.expectPartialRevert(Claims.ClaimsLeft.selector);
        pots.closePot(channel);
        same(collect(0), 78_000, "the other");
    }

    // ---- vouchers ----

    /// Two tills of one merchant share a lane; a copy paid the same stretch at each.
    function test_copiesAtTillsOfOnePayeeAreMadeGood() public {
        Message memory a = opened(plain(channel, 1, 30_000, 0, 30_000), 30_000);
        Message memory b = opened(plain(channel, 2, 30_000, 0, 30_000), 30_000);
        settle(batch(a, b));
        pots.proveFraud(2, batch(a, b));
        pots.registerShortfall(digestOf(a) < digestOf(b) ? batch(a, b) : batch(b, a), covered());
        same(claimed(0).c1, 30_000, "one of the two");
        same(claimed(0).overlap, 30_000, "overlap");
        close();
        same(collect(0), 30_000, "made good");
        same(vault.settled(channel, id(0)), 30_000, "no more than was signed for the lane");
        same(inReserve(), BOND - 30_000, "the rest");
    }

    /// A claim is never above what the vouchers shown moved themselves.
    function test_whatIsShownBoundsTheClaim() public {
        cheat();
        pots.registerShortfall(batch(opened(plain(channel, 1, 60_000, 0, 60_000), 5_000)), covered());
        same(claimed(0).c1, 5_000, "one tap");
        Message memory closed_ = plain(channel, 2, 70_000, 0, 70_000);
        pots.registerShortfall(batch(opened(plain(channel, 1, 60_000, 0, 60_000), 5_000), closed_), "");
        same(claimed(0).c1, 5_000, "a request that isn't opened moves nothing");
        same(claimed(0).top, 70_000, "but shows the top");
    }

    function test_vouchersAreShownOnceAndInOrder() public {
        Message memory a = opened(plain(channel, 1, 500, 0, 500), 500);
        Message memory b = opened(plain(channel, 2, 500, 0, 500), 400);
        Message memory other = opened(plain(channel, 3, 500, 1, 500), 400);
        settle(batch(a));
        pots.proveFraud(2, batch(a, b));
        bytes[3] memory wrong = [batch(a, a), batch(b, a), batch(a, other)];
        for (uint256 i = 0; i < wrong.length; ++i) {
            vm.expectRevert(Leases.NotRising.selector);
            pots.registerShortfall(wrong[i], "");
        }
        Message memory twin = opened(plain(channel, 4, 500, 0, 500), 500);
        bool rising = digestOf(a) < digestOf(twin);
        vm.expectRevert(Leases.NotRising.selector);
        pots.registerShortfall(rising ? batch(twin, a) : batch(a, twin), "");
        pots.registerShortfall(rising ? batch(a, twin) : batch(twin, a), covered());
        same(claimed(0).overlap, 500, "twins");
    }

    function test_ticksOverlapToo() public {
        Message memory a = opened(plain(channel, 1, 500, 0, 500), 500);
        Message memory b = plain(channel, 2, 100, 0, 100);
        b.kind = STREAM;
        b.seed = keccak256("seed");
        b.tickValue = 50;
        b.ticks = 10;
        b.k = 3;
        settle(batch(a));
        pots.proveFraud(2, batch(a, b));
        pots.registerShortfall(batch(a, b), covered());
        same(claimed(0).overlap, 150, "three ticks");
    }

    function test_evidenceIsThePayersOwn() public {
        bytes memory lease = covered();
        bytes memory evidence = batch(sale(0, 100));
        vm.expectPartialRevert(Claims.NoPot.selector);
        pots.registerShortfall(evidence, lease);
        cheat();
        Message memory forged = sale(0, 100);
        forged.key = 0xbad;
        evidence = batch(forged);
        vm.expectPartialRevert(PotsBase.NotOfThisPayer.selector);
        pots.registerShortfall(evidence, lease);
        evidence = bytes.concat(header(), rowOf(sale(0, 100), new bytes(64)));
        vm.expectRevert(abi.encodeWithSelector(PotsBase.BadEvidence.selector, Reasons.BAD_SIGNATURE));
        pots.registerShortfall(evidence, lease);
    }

    /// The sum over all vouchers less what they cover together, however they lie.
    function testFuzz_overlapIsWhatWasPaidMoreThanOnce(uint256 seed) public {
        Message[3] memory shown;
        uint256[3] memory bases;
        bool[64] memory taken;
        uint256 sum;
        uint256 union;
        for (uint256 i = 0; i < 3; ++i) {
            bases[i] = (seed >> (16 * i)) % 32;
            uint48 amount = uint48((seed >> (16 * i + 8)) % 32);
            uint48 top = uint48(bases[i]) + amount;
            shown[i] = opened(plain(channel, uint32(i) + 1, top, 0, top), amount);
            sum += amount;
            for (uint256 at = bases[i]; at < top; ++at) {
                if (!taken[at]) ++union;
                taken[at] = true;
            }
        }
        // Into the order asked for.
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = 0; j + 1 < 3; ++j) {
                if (bases[j] < bases[j + 1]) continue;
                if (bases[j] == bases[j + 1] && digestOf(shown[j]) < digestOf(shown[j + 1])) continue;
                (bases[j], bases[j + 1]) = (bases[j + 1], bases[j]);
                (shown[j], shown[j + 1]) = (shown[j + 1], shown[j]);
            }
        }
        cheat();
        bytes memory evidence = batch(shown[0], shown[1], shown[2]);
        if (sum == 0) {
            bytes memory lease = covered();
            vm.expectRevert(Claims.NotShort.selector);
            pots.registerShortfall(evidence, lease);
            return;
        }
        pots.registerShortfall(evidence, covered());
        same(claimed(0).overlap, sum - union, "overlap");
        same(claimed(0).shown, sum, "shown");
    }

    // ---- who shares ----

    function test_onlyPayeesVouchedForBeforeTheProofShare() public {
        uint32 late = vault.registerPayee(payeeAt(3));
        bytes memory head = abi.encodePacked(uint8(1), uint16(1), late);
        bytes memory lease = leaseBytes(leaseFor(channel, CAP, members(0, 2)));
        cheat();
        vm.startPrank(OPERATOR);
        registry.accredit(late, 5);
        // Nobody who was is dropped, before or after the proof.
        registry.endAccreditation(id(0));
        registry.accredit(id(0), 2);
        registry.endAccreditation(id(0));
        vm.stopPrank();
        vm.warp(block.timestamp + 2 hours);
        Message memory message = sale(3, 100);
        message.payee = 0;
        bytes memory row = rowOf(sale(3, 100));
        row[15] = 0;
        row[16] = 0;
        bytes memory wide = leaseBytes(wideLease(channel, CAP));
        vm.expectRevert(abi.encodeWithSelector(Claims.NotAccredited.selector, late));
        pots.registerShortfall(bytes.concat(head, row), wide);
        claim(0, 1000, lease);
        same(claimed(0).c1, 1000, "still a member");
    }

    // ---- the reserve stands behind ----

    /// A guarantee in a good lease pays what the bond doesn't, as far as the reserve set it aside.
    function test_theReservePaysWhatItSetAside() public {
        fill(2_000_000);
        vm.warp(block.timestamp + 400 days);
        renew();
        LeaseOf memory lease = leaseFor(channel, CAP, members(0, 2, 1, 4));
        lease.guarantee = 36_400;
        lease.key = 0x40c;
        bytes memory data = leaseBytes(lease);
        vm.prank(OPERATOR);
        registry.accredit(id(1), 4);
        vm.warp(block.timestamp + 13 days);
        renewWith(0x40d);
        lease.key = 0x40d;
        lease.issuedAt = uint40(block.timestamp);
        lease.expiresAt = uint40(block.timestamp + 72 hours);
        data = leaseBytes(lease);
        vm.warp(block.timestamp + 1);
        cheat();
        claim(1, 157_600, data);
        same(reserve.earmarked(), 36_400, "set aside");
        claim(0, 78_800, data);
        same(pots.readPot(channel).guarantee, 36_400, "once");
        close();
        uint256 before = inReserve();
        same(collect(0), 78_800, "whole");
        same(collect(1), 157_600, "whole");
        same(inReserve(), before - 36_400, "drawn");
        same(reserve.earmarked(), 0, "nothing stays set aside");
        same(pots.readPot(channel).drawn, 36_400, "by this pot");
    }

    function fill(uint256 amount) private {
        token.approve(address(reserve), amount);
        reserve.deposit(amount, address(this));
    }

    function renew() private {
        renewWith(0x40c);
    }

    function renewWith(uint256 key) private {
        addKey(key);
    }
}

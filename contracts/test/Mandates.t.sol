// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Deposits} from "../src/mandates/Deposits.sol";
import {MandatesBase} from "../src/mandates/MandatesBase.sol";
import {Owners} from "../src/mandates/Owners.sol";
import {Payouts} from "../src/mandates/Payouts.sol";
import {Channels} from "../src/vault/Channels.sol";
import {Payees} from "../src/vault/Payees.sol";
import {Reasons} from "../src/vault/Reasons.sol";
import {VaultBase} from "../src/vault/VaultBase.sol";
import {Kit} from "./Kit.sol";

/// @notice A wallet that signs by saying yes to one digest (ERC-1271).
contract Wallet {
    bytes32 public yes;

    function approve(bytes32 digest) external {
        yes = digest;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return digest == yes ? bytes4(0x1626ba7e) : bytes4(0);
    }
}

contract Stray is ERC20 {
    constructor() ERC20("Stray", "S") {
        _mint(msg.sender, 100);
    }
}

/// @notice What owners and payees let others do for them. Not looked at here: a token whose own permit or authorization
/// is wrong, and a chain without P256VERIFY (test/vault/mandates.test.ts).
contract MandatesTest is Kit {
    uint32 private channel;
    uint256 private constant FUNDER = 0xf00d;
    address private constant NEXT = address(0x9e9);
    address private constant RECOVERY = address(0x4ec);

    function setUp() public {
        build();
        channel = openFor(PAYER);
    }

    // ---- deposits ----

    function permit(uint256 value) private view returns (uint8 v, bytes32 r, bytes32 s) {
        address funder = vm.addr(FUNDER);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                funder,
                address(mandates),
                value,
                token.nonces(funder),
                block.timestamp
            )
        );
        return vm.sign(FUNDER, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
    }

    function opening(uint48 amount) private pure returns (Deposits.Opening memory) {
        return Deposits.Opening({owner: OWNER, payer: vm.addr(5), amount: amount, bond: amount / 5, recovery: address(0)});
    }

    function test_permitOpensAndTopsUpInOneCall() public {
        address funder = vm.addr(FUNDER);
        token.transfer(funder, 1600);
        (uint8 v, bytes32 r, bytes32 s) = permit(1000);
        vm.prank(funder);
        uint32 made = mandates.openWithPermit(opening(1000), block.timestamp, v, r, s);
        same(vault.readChannel(made).free, 800, "free");
        same(vault.ownerOf(made), OWNER, "owner");
        (v, r, s) = permit(500);
        // Somebody carries the permit to the token first: the allowance is there, and the call goes through.
        token.permit(funder, address(mandates), 500, block.timestamp, v, r, s);
        vm.prank(funder);
        mandates.topUpWithPermit(Deposits.TopUp(made, 500, 100), block.timestamp, v, r, s);
        (v, r, s) = permit(100);
        vm.prank(funder);
        mandates.topUpWithPermit(Deposits.TopUp(made, 100, 20), block.timestamp, v, r, s);
        same(vault.readChannel(made).free, 1280, "free after");
        same(token.balanceOf(funder), 0, "all paid");
        same(token.balanceOf(address(mandates)), 0, "nothing stays");
        conserved();
    }

    function test_aPermitOfSomebodyElseIsNoUse() public {
        token.transfer(vm.addr(FUNDER), 1000);
        (uint8 v, bytes32 r, bytes32 s) = permit(1000);
        vm.prank(STRANGER);
        vm.expectRevert();
        mandates.openWithPermit(opening(1000), block.timestamp, v, r, s);
    }

    /// An ERC-3009 authorization of the funder, whose nonce is `nonce`.
    function authorize(uint256 value, bytes32 nonce, bytes32 salt)
        private
        view
        returns (Deposits.Authorization memory)
    {
        address funder = vm.addr(FUNDER);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                ),
                funder,
                address(mandates),
                value,
                0,
                block.timestamp + 60,
                nonce
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(FUNDER, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
        return Deposits.Authorization(funder, 0, block.timestamp + 60, salt, v, r, s);
    }

    function test_anyoneCarriesAnAuthorizationAndChangesNothingOfIt() public {
        token.transfer(vm.addr(FUNDER), 2000);
        Deposits.Opening memory terms = opening(1000);
        bytes32 nonce = keccak256(abi.encode("open", terms, bytes32("salt")));
        Deposits.Authorization memory by = authorize(1000, nonce, "salt");
        Deposits.Opening memory other = opening(1000);
        other.payer = vm.addr(0xbad);
        vm.startPrank(STRANGER);
        vm.expectRevert();
        mandates.openWithAuthorization(other, by);
        other = opening(1000);
        other.owner = STRANGER;
        vm.expectRevert();
        mandates.openWithAuthorization(other, by);
        other = opening(1000);
        other.bond = 1000;
        vm.expectRevert();
        mandates.openWithAuthorization(other, by);
        other = opening(1000);
        other.recovery = STRANGER;
        vm.expectRevert();
        mandates.openWithAuthorization(other, by);
        // Straight to the token, past the terms.
        vm.expectRevert();
        token.receiveWithAuthorization(by.from, address(mandates), 1000, 0, by.validBefore, nonce, by.v, by.r, by.s);
        uint32 made = mandates.openWithAuthorization(terms, by);
        vm.stopPrank();
        same(vault.readChannel(made).payer, vm.addr(5), "payer");
        same(vault.readChannel(made).free, 800, "free");
        vm.expectRevert();
        mandates.openWithAuthorization(terms, by);
        Deposits.TopUp memory more = Deposits.TopUp(made, 500, 100);
        by = authorize(500, keccak256(abi.encode("topUp", more, bytes32("more"))), "more");
        vm.expectRevert();
        mandates.topUpWithAuthorization(Deposits.TopUp(channel, 500, 100), by);
        mandates.topUpWithAuthorization(more, by);
        same(vault.readChannel(made).free, 1200, "free after");
        same(token.balanceOf(vm.addr(FUNDER)), 500, "the rest");
        same(token.balanceOf(address(mandates)), 0, "nothing stays");
        conserved();
    }

    // ---- Permit2 ----

    /// What Permit2 has signed for a deposit: `kind` is the witness's type with its name, and the types behind it.
    function permit2(uint256 amount, uint256 nonce, bytes32 terms, string memory kind)
        private
        view
        returns (Deposits.Transfer memory)
    {
        bytes32 permitted = keccak256(
            abi.encode(keccak256("TokenPermissions(address token,uint256 amount)"), address(token), amount)
        );
        uint256 deadline = block.timestamp + 60;
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    bytes(
                        string.concat(
                            "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,",
                            kind
                        )
                    )
                ),
                permitted,
                address(mandates),
                nonce,
                deadline,
                terms
            )
        );
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)"),
                keccak256("Permit2"),
                block.chainid,
                address(mandates.PERMIT2())
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(FUNDER, keccak256(abi.encodePacked(hex"1901", domain, structHash)));
        return Deposits.Transfer(vm.addr(FUNDER), nonce, deadline, abi.encodePacked(r, s, v));
    }

    function permit2Of(Deposits.Opening memory terms, uint256 nonce) private view returns (Deposits.Transfer memory) {
        string memory type_ = "Opening(address owner,address payer,uint48 amount,uint48 bond,address recovery)";
        return permit2(
            terms.amount,
            nonce,
            keccak256(
                abi.encode(keccak256(bytes(type_)), terms.owner, terms.payer, terms.amount, terms.bond, terms.recovery)
            ),
            string.concat("Opening witness)", type_, "TokenPermissions(address token,uint256 amount)")
        );
    }

    function permit2Of(Deposits.TopUp memory terms, uint256 nonce) private view returns (Deposits.Transfer memory) {
        string memory type_ = "TopUp(uint32 channel,uint48 amount,uint48 bond)";
        return permit2(
            terms.amount,
            nonce,
            keccak256(abi.encode(keccak256(bytes(type_)), terms.channel, terms.amount, terms.bond)),
            string.concat("TopUp witness)TokenPermissions(address token,uint256 amount)", type_)
        );
    }

    /// The code that stands at Permit2's address on chains.
    function etchPermit2() private {
        vm.etch(address(mandates.PERMIT2()), vm.parseBytes(vm.readFile("test/vectors/permit2.hex")));
        address funder = vm.addr(FUNDER);
        token.transfer(funder, 2000);
        address permit2_ = address(mandates.PERMIT2());
        vm.prank(funder);
        token.approve(permit2_, type(uint256).max);
    }

    function test_anyoneCarriesAPermit2TransferAndChangesNothingOfIt() public {
        etchPermit2();
        Deposits.Opening memory terms = opening(1000);
        terms.recovery = RECOVERY;
        Deposits.Transfer memory by = permit2Of(terms, 7);
        for (uint256 i = 0; i < 5; ++i) {
            Deposits.Opening memory bad = opening(1000);
            bad.recovery = RECOVERY;
            if (i == 0) bad.owner = STRANGER;
            if (i == 1) bad.payer = vm.addr(0xbad);
            if (i == 2) bad.amount = 999;
            if (i == 3) bad.bond = 1000;
            if (i == 4) bad.recovery = STRANGER;
            vm.prank(STRANGER);
            vm.expectRevert();
            mandates.openWithPermit2(bad, by);
        }
        vm.prank(STRANGER);
        uint32 made = mandates.openWithPermit2(terms, by);
        same(vault.readChannel(made).payer, vm.addr(5), "payer");
        same(vault.readChannel(made).free, 800, "free");
        same(mandates.recoveryOf(made), RECOVERY, "named at once");
        vm.expectRevert();
        mandates.openWithPermit2(terms, by);
        Deposits.TopUp memory more = Deposits.TopUp(made, 500, 100);
        by = permit2Of(more, 8);
        vm.expectRevert();
        mandates.topUpWithPermit2(Deposits.TopUp(channel, 500, 100), by);
        mandates.topUpWithPermit2(more, by);
        same(vault.readChannel(made).free, 1200, "free after");
        same(token.balanceOf(vm.addr(FUNDER)), 500, "the rest");
        same(token.balanceOf(address(mandates)), 0, "nothing stays");
        conserved();
    }

    function test_aPermit2TransferForSomebodyElseIsNoUse() public {
        etchPermit2();
        Deposits.Transfer memory by = permit2Of(opening(1000), 7);
        by.from = OWNER;
        vm.expectRevert();
        mandates.openWithPermit2(opening(1000), by);
        by = permit2Of(opening(1000), 7);
        vm.warp(by.deadline + 1);
        vm.expectRevert();
        mandates.openWithPermit2(opening(1000), by);
    }

    function test_withoutPermit2NothingIsOpened() public {
        Deposits.Transfer memory by = permit2Of(opening(1000), 7);
        vm.expectRevert();
        mandates.openWithPermit2(opening(1000), by);
    }

    // ---- recovery named at the opening ----

    function test_theRecoveryAccountIsNamedAtTheOpening() public {
        token.approve(address(mandates), type(uint256).max);
        Deposits.Opening memory terms = opening(1000);
        terms.recovery = RECOVERY;
        vm.expectEmit(address(mandates));
        emit Owners.RecoveryNamed(2, RECOVERY);
        uint32 made = mandates.open(terms);
        same(vault.ownerOf(made), OWNER, "owner");
        same(vault.readChannel(made).free, 800, "free");
        vm.prank(RECOVERY);
        mandates.offerChannel(made, NEXT);
        vm.warp(block.timestamp + 30 days);
        vm.prank(NEXT);
        mandates.acceptChannel(made);
        same(vault.ownerOf(made), NEXT, "recovered");
        terms.recovery = address(0);
        vm.recordLogs();
        made = mandates.open(terms);
        same(mandates.recoveryOf(made), address(0), "none");
        same(vm.getRecordedLogs().length, 3, "two transfers and the opening");
        conserved();
    }

    // ---- who submits is paid ----

    uint32 private feesSeen;

    function sawFee(uint32 payee, uint32 submitter, uint48) internal override {
        holds(payee != submitter, "nobody pays itself");
        ++feesSeen;
    }

    function agreeFee(uint16 payee, uint8 rate) private {
        vm.prank(payeeAt(payee));
        same(mandates.registerWithFee(rate), id(payee), "its id");
    }

    function test_whoSubmitsIsPaidByWhomAgreedToIt() public {
        uint32 own = vault.registerPayee(address(this));
        agreeFee(0, 100);
        same(mandates.feeRateOf(id(0)), 100, "rate");
        vm.expectEmit(true, true, true, true);
        emit FeePaid(id(0), own, 50);
        settle(bytes.concat(batch(plain(channel, 1, 5000, 0, 5000)), rowOf(plain(channel, 2, 9000, 1, 4000))));
        same(balance(id(0)), 4950, "less a hundredth");
        same(balance(id(1)), 4000, "who didn't agree has all");
        same(balance(own), 50, "the submitter");
        same(vault.settled(channel, id(0)), 5000, "the lane has all");
        // 99 units: not a whole one.
        expect(plain(channel, 3, 9099, 0, 5099), Reasons.APPLIED, 99, "little");
        same(balance(own), 50, "rounded down");
        conserved();
    }

    event FeePaid(uint32 indexed payee, uint32 indexed submitter, uint48 fee);

    function test_theFeeIsOfWhatTheBatchBroughtInAll() public {
        uint32 own = vault.registerPayee(address(this));
        agreeFee(0, 100);
        Message memory tap = opened(plain(channel, 1, 5000, 0, 5000), 5000);
        settle(batch(tap));
        same(balance(own), 50, "of all");
        // 3,000 come, 2,000 go back: of a thousand.
        Message memory more = plain(channel, 2, 8000, 0, 8000);
        settle(bytes.concat(batch(more), rowOf(credit(tap, 5000, 2000))));
        same(balance(own), 60, "of what is left of it");
        settle(batch(credit(tap, 5000, 5000)));
        same(balance(own), 60, "nothing when money goes back");
        same(feesSeen, 2, "and nobody was told of a fee");
        conserved();
    }

    function test_aSubmitterThatIsNoPayeeOrPaysItselfGetsNothing() public {
        agreeFee(0, 100);
        expect(plain(channel, 1, 5000, 0, 5000), Reasons.APPLIED, 5000, "no id");
        same(balance(id(0)), 5000, "all of it");
        vm.prank(OPERATOR);
        registry.addSettler(payeeAt(0));
        vm.warp(block.timestamp + 4 days);
        bytes memory data = batch(plain(channel, 2, 7000, 0, 7000));
        vm.prank(payeeAt(0));
        vault.settle(data);
        same(balance(id(0)), 7000, "its own batch");
        conserved();
    }

    /// The submitter's own balance is in the batch, before and behind the payer of the fee.
    function test_aSubmitterMayStandInItsOwnBatch() public {
        agreeFee(1, 100);
        vm.startPrank(OPERATOR);
        registry.addSettler(payeeAt(0));
        registry.addSettler(payeeAt(2));
        vm.stopPrank();
        vm.warp(block.timestamp + 4 days);
        bytes memory data = bytes.concat(
            batch(plain(channel, 1, 500, 0, 500)),
            rowOf(plain(channel, 2, 10_500, 1, 10_000)),
            rowOf(plain(channel, 3, 11_200, 2, 700))
        );
        vm.prank(payeeAt(0));
        vault.settle(data);
        same(balance(id(0)), 600, "its own and the fee");
        same(balance(id(1)), 9900, "less the fee");
        data = bytes.concat(
            batch(plain(channel, 4, 21_200, 1, 20_000)), rowOf(plain(channel, 5, 21_500, 2, 1000))
        );
        vm.prank(payeeAt(2));
        vault.settle(data);
        same(balance(id(2)), 1100, "behind it");
        same(balance(id(1)), 19_800, "less the fee again");
        conserved();
    }

    function test_aFeeIsAgreedToOnceByThePayeeItself() public {
        vm.expectRevert(abi.encodeWithSelector(Payouts.WrongRate.selector, 101));
        mandates.registerWithFee(101);
        vm.expectRevert(abi.encodeWithSelector(Payouts.WrongRate.selector, 0));
        mandates.registerWithFee(0);
        vm.prank(STRANGER);
        uint32 made = mandates.registerWithFee(3);
        same(made, 4, "a new payee");
        same(mandates.feeRateOf(made), 3, "at its rate");
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(Payouts.FeeAgreed.selector, 3));
        mandates.registerWithFee(4);
        // It still fixes where its money goes, and its withdrawals count.
        vm.prank(payeeAt(0));
        mandates.fixPayout(id(0), NEXT);
        agreeFee(0, 7);
        vault.registerPayee(address(this));
        expect(plain(channel, 1, 10_000, 0, 10_000), Reasons.APPLIED, 10_000, "settled");
        same(balance(id(0)), 9993, "seven ten-thousandths");
        vm.prank(payeeAt(0));
        vm.expectPartialRevert(Payees.PayoutIsSealed.selector);
        vault.withdraw(id(0), NEXT, 10);
        same(mandates.payOut(id(0)), 9993, "to where it is fixed");
        conserved();
    }

    function test_whoeverExecutesAnAnnouncedBatchIsPaid() public {
        agreeFee(0, 50);
        uint32 stranger = vault.registerPayee(STRANGER);
        bytes memory data = batch(plain(channel, 1, 10_000, 0, 10_000));
        vault.announce(data);
        vm.warp(block.timestamp + 48 hours);
        vm.prank(STRANGER);
        vault.execute(data);
        same(balance(stranger), 50, "who executed it");
        conserved();
    }

    // ---- payers with P-256 keys ----

    function test_aP256PayerOpensWithItsKey() public {
        uint256 key = (1 << 201) | 7;
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        token.approve(address(mandates), type(uint256).max);
        holds(mandates.hasP256(), "the chain has it");
        uint32 made = mandates.openP256(OWNER, bytes32(x), bytes32(y), 1000, 200, RECOVERY);
        same(mandates.recoveryOf(made), RECOVERY, "named at once");
        same(vault.readChannel(made).payer, signerOf(key), "payer");
        conserved();
    }

    function test_aP256PayerOpensNowhereElse() public {
        token.approve(address(mandates), type(uint256).max);
        // Nothing, a word too many, a word too short, and a word that says no, whatever is asked.
        bytes[4] memory answers = [bytes(""), abi.encode(1, 1), abi.encodePacked(uint248(1)), abi.encode(2)];
        for (uint256 i = 0; i < answers.length; ++i) {
            vm.mockCall(address(0x100), "", answers[i]);
            vm.expectRevert(Deposits.P256Missing.selector);
            mandates.openP256(OWNER, bytes32(uint256(1)), bytes32(uint256(2)), 1000, 200, address(0));
        }
        vm.mockCallRevert(address(0x100), "", abi.encode(1));
        holds(!mandates.hasP256(), "it refuses to say");
        vm.clearMockedCalls();
        holds(mandates.hasP256(), "and it is back");
    }

    // ---- owners ----

    function test_aChannelChangesHandsInTwoSteps() public {
        vm.expectPartialRevert(MandatesBase.NotAllowed.selector);
        mandates.offerChannel(channel, NEXT);
        vm.prank(OWNER);
        mandates.offerChannel(channel, NEXT);
        vm.prank(STRANGER);
        vm.expectPartialRevert(MandatesBase.NotAllowed.selector);
        mandates.acceptChannel(channel);
        same(vault.ownerOf(channel), OWNER, "not yet");
        vm.prank(NEXT);
        mandates.acceptChannel(channel);
        same(vault.ownerOf(channel), NEXT, "now");
        vm.prank(NEXT);
        vm.expectPartialRevert(MandatesBase.NotAllowed.selector);
        mandates.acceptChannel(channel);
        vm.prank(OWNER);
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.startExit(channel, address(0));
        vm.prank(NEXT);
        vault.startExit(channel, address(0));
        vm.warp(block.timestamp + 15 days);
        vault.finishExit(channel);
        same(token.balanceOf(NEXT), DEPOSIT, "the new owner's money");
        same(token.balanceOf(OWNER), 0, "nothing for the old one");
        conserved();
    }

    function test_anOfferIsTakenBackByTheNextOne() public {
        vm.startPrank(OWNER);
        mandates.offerChannel(channel, NEXT);
        mandates.offerChannel(channel, address(0));
        vm.stopPrank();
        vm.prank(NEXT);
        vm.expectPartialRevert(MandatesBase.NotAllowed.selector);
        mandates.acceptChannel(channel);
        vm.prank(address(0));
        vm.expectPartialRevert(VaultBase.ZeroAddress.selector);
        mandates.acceptChannel(channel);
    }

    function test_aRecoveryTakesItsTimeAndTheOwnerStopsIt() public {
        vm.prank(RECOVERY);
        vm.expectPartialRevert(MandatesBase.NotAllowed.selector);
        mandates.offerChannel(channel, NEXT);
        vm.prank(STRANGER);
        vm.expectPartialRevert(MandatesBase.NotAllowed.selector);
        mandates.nameRecovery(channel, STRANGER);
        vm.prank(OWNER);
        mandates.nameRecovery(channel, RECOVERY);
        vm.prank(RECOVERY);
        mandates.offerChannel(channel, NEXT);
        vm.warp(block.timestamp + 30 days - 1);
        vm.prank(NEXT);
        vm.expectPartialRevert(Owners.OfferNotReady.selector);
        mandates.acceptChannel(channel);
        vm.prank(OWNER);
        mandates.offerChannel(channel, address(0));
        vm.warp(block.timestamp + 1);
        vm.prank(NEXT);
        vm.expectPartialRevert(MandatesBase.NotAllowed.selector);
        mandates.acceptChannel(channel);
        // Nobody stops this one.
        vm.prank(RECOVERY);
        mandates.offerChannel(channel, NEXT);
        vm.warp(block.timestamp + 30 days);
        vm.prank(NEXT);
        mandates.acceptChannel(channel);
        same(vault.ownerOf(channel), NEXT, "recovered");
        same(mandates.recoveryOf(channel), address(0), "the new owner names its own");
        vm.prank(RECOVERY);
        vm.expectPartialRevert(MandatesBase.NotAllowed.selector);
        mandates.offerChannel(channel, RECOVERY);
    }

    /// A freeze eats nobody's time: neither does the owner's to stop a recovery.
    function test_aFreezeStopsARecovery() public {
        vm.prank(OWNER);
        mandates.nameRecovery(channel, RECOVERY);
        vm.prank(RECOVERY);
        mandates.offerChannel(channel, NEXT);
        vm.prank(GUARDIAN);
        vault.freeze(7 days);
        vm.warp(block.timestamp + 30 days);
        vm.prank(NEXT);
        vm.expectPartialRevert(Owners.OfferNotReady.selector);
        mandates.acceptChannel(channel);
        vm.warp(block.timestamp + 7 days);
        vm.prank(NEXT);
        mandates.acceptChannel(channel);
    }

    function test_leavingToAnotherAccount() public {
        vm.expectPartialRevert(MandatesBase.NotAllowed.selector);
        mandates.startExitTo(channel, NEXT);
        vm.startPrank(OWNER);
        vm.expectPartialRevert(VaultBase.ZeroAddress.selector);
        mandates.startExitTo(channel, address(0));
        mandates.nameRecovery(channel, RECOVERY);
        mandates.startExitTo(channel, NEXT);
        vm.expectPartialRevert(MandatesBase.NotAllowed.selector);
        mandates.offerChannel(channel, OWNER);
        vm.stopPrank();
        vm.prank(RECOVERY);
        vm.expectPartialRevert(MandatesBase.NotAllowed.selector);
        mandates.offerChannel(channel, RECOVERY);
        expect(plain(channel, 1, 3000, 0, 3000), Reasons.APPLIED, 3000, "settles all the while");
        vm.warp(block.timestamp + 15 days);
        vault.finishExit(channel);
        same(token.balanceOf(NEXT), DEPOSIT - 3000, "to whom the owner named");
        conserved();
    }

    function test_nobodyButTheMandatesActsForOthers() public {
        vm.startPrank(OPERATOR);
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.setOwner(channel, OPERATOR);
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.startExitFor(channel);
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.withdrawFor(1, OPERATOR, 0);
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.agree(1, 1);
        vm.stopPrank();
    }

    // ---- payouts ----

    struct Terms {
        uint32 payee;
        address to;
        uint48 amount;
        uint48 fee;
        uint32 nonce;
        uint40 deadline;
    }

    function digestOf(Terms memory terms) private view returns (bytes32) {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Withdrawal(uint32 payee,address to,uint48 amount,uint48 fee,uint32 nonce,uint40 deadline)"
                ),
                terms
            )
        );
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    function sign(uint256 key, Terms memory terms) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digestOf(terms));
        return abi.encodePacked(r, s, v);
    }

    function carry(Terms memory terms, bytes memory signature) private {
        mandates.withdrawFor(terms.payee, terms.to, terms.amount, terms.fee, terms.deadline, signature);
    }

    function balance(uint32 payee) private view returns (uint48 units) {
        (, units) = vault.readPayee(payee);
    }

    function test_anyoneCarriesAWithdrawalForItsFeeOnce() public {
        expect(plain(channel, 1, 5000, 0, 5000), Reasons.APPLIED, 5000, "earned");
        Terms memory terms = Terms(id(0), NEXT, 3000, 20, 0, uint40(block.timestamp));
        bytes memory signature = sign(payeeKey(0), terms);
        vm.startPrank(STRANGER);
        carry(terms, signature);
        same(token.balanceOf(NEXT), 2980, "to whom the payee said");
        same(token.balanceOf(STRANGER), 20, "the fee");
        same(balance(id(0)), 2000, "left");
        same(mandates.nonceOf(id(0)), 1, "used up");
        vm.expectPartialRevert(Payouts.NotThePayees.selector);
        carry(terms, signature);
        terms.nonce = 1;
        terms.amount = 2001;
        signature = sign(payeeKey(0), terms);
        vm.expectPartialRevert(Payees.BalanceTooSmall.selector);
        carry(terms, signature);
        same(mandates.nonceOf(id(0)), 1, "not used up");
        vm.stopPrank();
        conserved();
    }

    function test_aCarrierChangesNothingOfAWithdrawal() public {
        expect(plain(channel, 1, 5000, 0, 5000), Reasons.APPLIED, 5000, "earned");
        expect(plain(channel, 2, 9000, 1, 4000), Reasons.APPLIED, 4000, "earned by another");
        Terms memory good = Terms(id(0), NEXT, 3000, 20, 0, uint40(block.timestamp + 5));
        bytes memory signature = sign(payeeKey(0), good);
        for (uint256 i = 0; i < 5; ++i) {
            Terms memory bad = Terms(good.payee, good.to, good.amount, good.fee, 0, good.deadline);
            if (i == 0) bad.payee = id(1);
            if (i == 1) bad.to = STRANGER;
            if (i == 2) bad.amount = 3001;
            if (i == 3) bad.fee = 21;
            if (i == 4) bad.deadline += 1;
            vm.expectPartialRevert(Payouts.NotThePayees.selector);
            carry(bad, signature);
        }
        bytes memory byOther = sign(payeeKey(1), good);
        vm.expectPartialRevert(Payouts.NotThePayees.selector);
        carry(good, byOther);
        vm.warp(block.timestamp + 6);
        vm.expectPartialRevert(Payouts.WithdrawalOver.selector);
        carry(good, signature);
        Terms memory greedy = Terms(id(0), NEXT, 10, 11, 0, uint40(block.timestamp));
        signature = sign(payeeKey(0), greedy);
        vm.expectPartialRevert(Payouts.FeeTooLarge.selector);
        carry(greedy, signature);
        greedy.fee = 10;
        carry(greedy, sign(payeeKey(0), greedy));
        same(token.balanceOf(address(this)), 2 ** 48 - 1 - DEPOSIT + 10, "all of it as fee");
    }

    function test_aContractSaysYesToItsWithdrawal() public {
        Wallet wallet = new Wallet();
        uint32 payee = vault.registerPayee(address(wallet));
        Terms memory terms = Terms(payee, NEXT, 0, 0, 0, uint40(block.timestamp));
        vm.expectPartialRevert(Payouts.NotThePayees.selector);
        carry(terms, "");
        wallet.approve(digestOf(terms));
        carry(terms, "");
        same(mandates.nonceOf(payee), 1, "carried");
    }

    function test_aFixedPayoutGoesToOnePlaceForEver() public {
        expect(plain(channel, 1, 5000, 0, 5000), Reasons.APPLIED, 5000, "earned");
        vm.expectPartialRevert(MandatesBase.NotAllowed.selector);
        mandates.fixPayout(id(0), STRANGER);
        vm.expectPartialRevert(Payouts.PayoutIsFixed.selector);
        mandates.payOut(id(0));
        vm.startPrank(payeeAt(0));
        vm.expectPartialRevert(MandatesBase.ZeroAddress.selector);
        mandates.fixPayout(id(0), address(0));
        mandates.fixPayout(id(0), NEXT);
        vm.expectPartialRevert(Payouts.PayoutIsFixed.selector);
        mandates.fixPayout(id(0), payeeAt(0));
        vm.expectPartialRevert(Payees.PayoutIsSealed.selector);
        vault.withdraw(id(0), NEXT, 10);
        vm.stopPrank();
        Terms memory terms = Terms(id(0), STRANGER, 3000, 0, 0, uint40(block.timestamp));
        bytes memory signature = sign(payeeKey(0), terms);
        vm.expectPartialRevert(Payouts.PayoutIsFixed.selector);
        carry(terms, signature);
        terms.to = NEXT;
        carry(terms, sign(payeeKey(0), terms));
        vm.prank(STRANGER);
        same(mandates.payOut(id(0)), 2000, "the rest");
        same(token.balanceOf(NEXT), 5000, "all of it there");
        same(mandates.payOut(id(0)), 0, "nothing is left");
        expect(plain(channel, 2, 5500, 0, 5500), Reasons.APPLIED, 500, "and it goes on earning");
        same(balance(id(0)), 500, "in the balance");
        conserved();
    }

    function test_nothingIsTakenOutWhileFrozen() public {
        expect(plain(channel, 1, 5000, 0, 5000), Reasons.APPLIED, 5000, "earned");
        vm.prank(payeeAt(0));
        mandates.fixPayout(id(0), NEXT);
        vm.prank(GUARDIAN);
        vault.freeze(1 days);
        vm.expectPartialRevert(VaultBase.Frozen.selector);
        mandates.payOut(id(0));
    }

    // ---- what came by mistake ----

    function test_straysAreRescuedAndDepositsNever() public {
        Stray stray = new Stray();
        stray.transfer(address(vault), 40);
        token.transfer(address(vault), 7);
        vm.expectPartialRevert(VaultBase.NotAllowed.selector);
        vault.rescue(IERC20(address(stray)), STRANGER);
        vm.startPrank(address(timelock));
        vault.rescue(IERC20(address(stray)), STRANGER);
        vault.rescue(IERC20(address(token)), STRANGER);
        same(stray.balanceOf(STRANGER), 40, "the other token");
        same(token.balanceOf(STRANGER), 7, "only what was above the books");
        vault.rescue(IERC20(address(token)), STRANGER);
        vm.stopPrank();
        same(token.balanceOf(STRANGER), 7, "nothing more");
        conserved();
    }

    function test_theVaultShowsItsDomain() public view {
        (bytes1 fields, string memory name, string memory version, uint256 id_, address at,, uint256[] memory more) =
            vault.eip712Domain();
        bytes32 rebuilt = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                id_,
                at
            )
        );
        same(rebuilt, vault.domainSeparator(), "the same domain");
        same(uint8(fields), 0x0f, "name, version, chain and contract");
        same(more.length, 0, "no extensions");
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Vault} from "../src/Vault.sol";
import {VaultBase} from "../src/vault/VaultBase.sol";
import {Kit} from "./Kit.sol";

/// @notice A token that can be told to misbehave.
contract OddToken is ERC20 {
    uint8 private immutable _decimals;
    uint256 public fee;
    bool public mute;
    address public target;
    bytes public call;
    bool public reentered;
    bytes4 public refusal;

    constructor(uint8 decimals_) ERC20("Odd", "ODD") {
        _decimals = decimals_;
        _mint(msg.sender, 1e15);
    }

    function decimals() public view override returns (uint8) {
        return _decimals;
    }

    function setFee(uint256 fee_) external {
        fee = fee_;
    }

    function setMute(bool mute_) external {
        mute = mute_;
    }

    function setCall(address target_, bytes calldata call_) external {
        target = target_;
        call = call_;
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        reenter();
        if (mute) return false;
        super.transferFrom(from, to, amount);
        if (fee != 0) _burn(to, fee);
        return true;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        // Some tokens refuse to move nothing.
        require(amount != 0, "nothing to move");
        reenter();
        if (mute) return false;
        return super.transfer(to, amount);
    }

    function reenter() private {
        if (target == address(0)) return;
        (bool ok, bytes memory answer) = target.call(call);
        reentered = ok;
        refusal = bytes4(answer);
    }
}

/// @notice Tokens that return false, take a fee, or call back.
contract TokensTest is Kit {
    OddToken private odd;

    function setUp() public {
        build();
        odd = new OddToken(6);
        deploy(IERC20(address(odd)), timelock, timing(), 2000);
    }

    function test_aFeeIsRefused() public {
        odd.setFee(1);
        vm.expectRevert(abi.encodeWithSelector(VaultBase.WrongAmountReceived.selector, 999, 1000));
        vault.open(OWNER, vm.addr(PAYER), 1000, 200);
        odd.setFee(0);
        vault.open(OWNER, vm.addr(PAYER), 1000, 200);
        odd.setFee(1);
        vm.expectPartialRevert(VaultBase.WrongAmountReceived.selector);
        vault.topUp(1, 1000, 200);
        same(vault.held(), 1000, "held");
    }

    function test_aTokenThatReturnsFalseMovesNoBooks() public {
        odd.setMute(true);
        vm.expectRevert();
        vault.open(OWNER, vm.addr(PAYER), 1000, 200);
        odd.setMute(false);
        vault.open(OWNER, vm.addr(PAYER), 1000, 200);
        vm.prank(OWNER);
        vault.startExit(1, address(0));
        vm.warp(block.timestamp + 15 days);
        odd.setMute(true);
        vm.expectRevert();
        vault.finishExit(1);
        same(vault.readChannel(1).free, 800, "still there");
        odd.setMute(false);
        vault.finishExit(1);
        same(odd.balanceOf(OWNER), 1000, "paid once");
        vault.finishExit(1);
        same(odd.balanceOf(OWNER), 1000, "nothing more, and no call for nothing");
    }

    function test_nothingCanBeCalledFromWithinATransfer() public {
        vault.open(OWNER, vm.addr(PAYER), 1000, 200);
        bytes[11] memory calls = [
            abi.encodeCall(vault.open, (OWNER, vm.addr(5), 10, 2)),
            abi.encodeCall(vault.topUp, (1, 10, 2)),
            abi.encodeCall(vault.setOwner, (1, OWNER)),
            abi.encodeCall(vault.startExitFor, (1)),
            abi.encodeCall(vault.withdrawFor, (1, OWNER, 1)),
            abi.encodeCall(vault.rescue, (IERC20(address(odd)), OWNER)),
            abi.encodeCall(vault.finishExit, (1)),
            abi.encodeCall(vault.startExit, (1, address(0))),
            abi.encodeCall(vault.settle, (hex"010000")),
            abi.encodeCall(vault.execute, (hex"010000")),
            abi.encodeCall(vault.withdraw, (1, OWNER, 1))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            odd.setCall(address(vault), calls[i]);
            vault.open(OWNER, vm.addr(5), 1000, 200);
            holds(!odd.reentered(), "re-entered");
            same(
                bytes32(odd.refusal()),
                bytes32(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
                "refused by the guard"
            );
        }
    }

    function test_decimalsAreBounded() public {
        deploy(IERC20(address(new OddToken(9))), timelock, timing(), 2000);
        IERC20 fine = IERC20(address(new OddToken(10)));
        refusesToDeploy(VaultBase.TooManyDecimals.selector, fine, timelock, timing(), 2000);
    }

    function test_timeIsPlain() public view {
        same(token.decimals(), 6, "decimals");
        same(bytes32(bytes(token.symbol())), bytes32("TIME"), "symbol");
        same(keccak256(bytes(token.name())), keccak256(unicode"时光币"), "name");
        same(token.totalSupply(), 2 ** 48 - 1, "supply");
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IPermit2} from "./IPermit2.sol";
import {Owners} from "./Owners.sol";

/// @notice Deposits on a signature: the funder's ERC-2612 permit, or its ERC-3009 authorization or Permit2 transfer, which
/// anybody may carry; with the account that recovers the channel, when the owner names one at once.
/// @dev Tokens pass through within one call; nothing stays here.
abstract contract Deposits is Owners {
    using SafeERC20 for IERC20;

    /// @notice A channel to be opened. Amounts in units; see Channels.open.
    struct Opening {
        address owner;
        address payer;
        uint48 amount;
        uint48 bond;
        /// May offer the channel should the owner's key be lost, as from nameRecovery; zero for nobody.
        address recovery;
    }

    /// @notice A channel to be topped up.
    struct TopUp {
        uint32 channel;
        uint48 amount;
        uint48 bond;
    }

    /// @notice An ERC-3009 authorization of `from`. Its nonce is hashed of the deposit's terms and `salt` (nonceOf), so
    /// that whoever carries it can't choose payer or owner.
    struct Authorization {
        address from;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 salt;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice A Permit2 transfer of `from` to this contract of exactly the amount. It is signed together with the terms of
    /// the deposit as its witness, so that whoever carries it can't choose payer or owner. Keys and contracts sign (ERC-1271).
    struct Transfer {
        address from;
        uint256 nonce;
        uint256 deadline;
        bytes signature;
    }

    /// @notice Permit2, which stands at the same address on all chains that have it.
    IPermit2 public constant PERMIT2 = IPermit2(0x000000000022D473030F116dDEE9F6B43aC78BA3);
    string private constant OPENING =
        "Opening(address owner,address payer,uint48 amount,uint48 bond,address recovery)";
    string private constant TOP_UP = "TopUp(uint32 channel,uint48 amount,uint48 bond)";
    string private constant TOKENS = "TokenPermissions(address token,uint256 amount)";

    /// @notice The chain has no P256VERIFY: nothing that such a payer signs would ever settle.
    error P256Missing();

    /// @dev keccak256("Sundial"), a signature over it by the key 1, and that key's point, the curve's generator.
    bytes private constant P256_PROBE =
        hex"f32475a01753fbeb0e026c38f7b22a67d0da130640a71ba26a7d6b895d016e51"
        hex"6e28ab06d3c4b0efedfc4b19cba23848568e3abed56a835f45a04519aa6803c7"
        hex"5c58225794515230305bcf69982611e78124cca41e8edf5de407b13a2e143509"
        hex"6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        hex"4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

    constructor() {
        token.forceApprove(address(vault), type(uint256).max);
    }

    /// @notice Opens a channel out of tokens that the caller approved for this contract: as Channels.open, with an account
    /// that recovers it.
    function open(Opening calldata opening) external returns (uint32 channel) {
        _pull(opening.amount);
        return _open(opening);
    }

    /// @notice Opens a channel with an ERC-2612 permit of the caller for this contract and exactly the amount.
    /// @dev The permit is the caller's own: with anybody else's, its carrier could choose the payer and rob the signer.
    /// A permit that somebody already carried to the token fails, and the allowance it left is used.
    function openWithPermit(Opening calldata opening, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (uint32 channel)
    {
        _permit(opening.amount, deadline, v, r, s);
        _pull(opening.amount);
        return _open(opening);
    }

    /// @notice Tops a channel up with an ERC-2612 permit of the caller.
    function topUpWithPermit(TopUp calldata more, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external {
        _permit(more.amount, deadline, v, r, s);
        _pull(more.amount);
        vault.topUp(more.channel, more.amount, more.bond);
    }

    /// @notice Opens a channel with an ERC-3009 authorization, by whoever carries it.
    function openWithAuthorization(Opening calldata opening, Authorization calldata by)
        external
        returns (uint32 channel)
    {
        _receive(opening.amount, by, nonceOf(opening, by.salt));
        return _open(opening);
    }

    /// @notice Tops a channel up with an ERC-3009 authorization, by whoever carries it.
    function topUpWithAuthorization(TopUp calldata more, Authorization calldata by) external {
        _receive(more.amount, by, nonceOf(more, by.salt));
        vault.topUp(more.channel, more.amount, more.bond);
    }

    /// @notice Opens a channel with a Permit2 transfer, by whoever carries it.
    function openWithPermit2(Opening calldata opening, Transfer calldata by) external returns (uint32 channel) {
        _permit2(
            opening.amount,
            by,
            keccak256(abi.encode(keccak256(bytes(OPENING)), opening)),
            string.concat("Opening witness)", OPENING, TOKENS)
        );
        return _open(opening);
    }

    /// @notice Tops a channel up with a Permit2 transfer, by whoever carries it.
    function topUpWithPermit2(TopUp calldata more, Transfer calldata by) external {
        _permit2(
            more.amount,
            by,
            keccak256(abi.encode(keccak256(bytes(TOP_UP)), more)),
            string.concat("TopUp witness)", TOKENS, TOP_UP)
        );
        vault.topUp(more.channel, more.amount, more.bond);
    }

    /// @notice Opens a channel for a payer with a P-256 key, out of tokens that the caller approved for this contract.
    /// The chain is asked first whether it verifies such signatures at all.
    /// @param x, y the payer's public key; its address is the last 20 bytes of their keccak256
    /// @param recovery as in Opening
    function openP256(address owner, bytes32 x, bytes32 y, uint48 amount, uint48 bond, address recovery)
        external
        returns (uint32 channel)
    {
        if (!hasP256()) revert P256Missing();
        _pull(amount);
        address payer = address(uint160(uint256(keccak256(abi.encode(x, y)))));
        return _named(vault.open(owner, payer, amount, bond), recovery);
    }

    /// @notice Does this chain verify P-256 signatures (P256VERIFY at 0x100)? Asked with a signature that is good.
    function hasP256() public view returns (bool) {
        (bool called, bytes memory answer) = address(0x100).staticcall(P256_PROBE);
        return called && answer.length == 32 && uint256(bytes32(answer)) == 1;
    }

    /// @notice Nonce of the authorization that opens this channel.
    function nonceOf(Opening calldata opening, bytes32 salt) public pure returns (bytes32) {
        return keccak256(abi.encode("open", opening, salt));
    }

    /// @notice Nonce of the authorization that tops a channel up like this.
    function nonceOf(TopUp calldata more, bytes32 salt) public pure returns (bytes32) {
        return keccak256(abi.encode("topUp", more, salt));
    }

    function _open(Opening calldata opening) private returns (uint32) {
        return _named(vault.open(opening.owner, opening.payer, opening.amount, opening.bond), opening.recovery);
    }

    function _named(uint32 channel, address recovery) private returns (uint32) {
        if (recovery != address(0)) _nameRecovery(channel, recovery);
        return channel;
    }

    function _pull(uint256 amount) private {
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    function _receive(uint256 amount, Authorization calldata by, bytes32 nonce) private {
        IERC3009(address(token)).receiveWithAuthorization(
            by.from, address(this), amount, by.validAfter, by.validBefore, nonce, by.v, by.r, by.s
        );
    }

    function _permit2(uint256 amount, Transfer calldata by, bytes32 terms, string memory kind) private {
        PERMIT2.permitWitnessTransferFrom(
            IPermit2.Permit(IPermit2.Permitted(address(token), amount), by.nonce, by.deadline),
            IPermit2.Asked(address(this), amount),
            by.from,
            terms,
            kind,
            by.signature
        );
    }

    function _permit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) private {
        try IERC20Permit(address(token)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
    }
}

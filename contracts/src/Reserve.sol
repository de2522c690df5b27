// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IRegistry} from "./vault/IRegistry.sol";
import {IVault} from "./pots/IVault.sol";
import {VaultBase} from "./vault/VaultBase.sol";

/// @title The reserve
/// @notice Stands behind the hub's guarantees. Whoever puts in holds shares, gains what comes in (rests of pots and the
/// hub's fee, sent here like any tokens) and loses first what pots draw.
/// @dev ERC-4626 with 1,000 virtual shares. Leaving takes as long as a lease of today can still draw, so `maxRedeem` and
/// `maxWithdraw` are 0 until a request is due. Only the pots draw, only what was set aside for one of them; no role pays
/// from it. Amounts in units of the token.
contract Reserve is ERC4626 {
    using SafeERC20 for IERC20;

    /// @dev Shares that leave, and the vault clock at which they may.
    struct Leaving {
        uint216 shares;
        uint40 readyAt;
    }

    /// @dev What was set aside on account of a payee, and how much of it may be in use. One slot.
    struct Bound {
        uint48 used;
        uint40 since;
    }

    /// @notice `shares` may leave from `readyAt` on (vault clock).
    event LeavingAsked(address indexed owner, uint256 shares, uint40 readyAt);
    /// @notice `amount` units were set aside for a pot.
    event Earmarked(uint32 indexed channel, uint32 indexed payee, uint256 amount);
    /// @notice `amount` units of what was set aside are free again.
    event EarmarkEnded(uint32 indexed channel, uint256 amount);
    /// @notice `amount` units went to a pot.
    event Drawn(uint32 indexed channel, uint32 indexed payee, uint256 amount);

    /// @notice Only this account may do that.
    error NotAllowed(address caller, address allowed);
    /// @notice The shares leave then (vault clock).
    error NotReady(uint40 readyAt);
    /// @notice What is left must cover what is set aside; ask again when a pot is done.
    error SetAside(uint256 assets, uint256 earmarked);

    /// @dev Set aside in one window at most an eighth of the assets: any stretch of a window's length touches two.
    uint256 private constant WINDOW_PART = 8;
    /// @dev On account of one payee at most a twentieth of the assets in a year.
    uint256 private constant PAYEE_PART = 20;
    /// @notice Seconds for which a payee has no room, and in which its room then grows to the whole.
    uint40 public constant PAYEE_WAIT = 30 days;
    uint40 public constant PAYEE_GROWTH = 335 days;
    uint40 private constant YEAR = 365 days;

    /// @notice The only account that draws.
    address public immutable pots;
    IVault public immutable vault;
    IRegistry public immutable registry;
    /// @notice Seconds of the vault's clock between asking and leaving.
    uint40 public immutable leaveDelay;
    uint40 private immutable _window;

    /// @notice Units set aside for pots.
    uint48 public earmarked;
    uint40 private _windowAt;
    uint48 private _windowSum;
    mapping(address owner => Leaving) private _leaving;
    /// @notice Units set aside for the pot of a channel and not drawn.
    mapping(uint32 channel => uint48) public earmarkOf;
    mapping(uint32 channel => mapping(uint32 payee => uint48)) private _onAccountOf;
    mapping(uint32 payee => Bound) private _bounds;

    constructor(IERC20 token_, IRegistry registry_, VaultBase.Timing memory timing)
        ERC20("Sundial reserve", "sRESERVE")
        ERC4626(token_)
    {
        pots = msg.sender;
        vault = IVault(registry_.vault());
        registry = registry_;
        _window = timing.payeeOfflineMax + timing.claimMargin;
        leaveDelay = timing.leaseLifetime + timing.clockError + 2 * _window + timing.claimMargin + timing.slowLane;
    }

    modifier onlyPots() {
        if (msg.sender != pots) revert NotAllowed(msg.sender, pots);
        _;
    }

    // ---- leaving ----

    /// @notice Asks to leave with shares of the caller's. They stay in the reserve until they are taken out, and lose
    /// with it. Asking again starts the time anew for all that leave.
    function askToLeave(uint256 shares) external {
        _transfer(msg.sender, address(this), shares);
        Leaving storage leaving = _leaving[msg.sender];
        leaving.shares += uint216(shares);
        leaving.readyAt = vault.clock() + leaveDelay;
        emit LeavingAsked(msg.sender, leaving.shares, leaving.readyAt);
    }

    /// @notice Takes back a request to leave.
    function stay() external {
        uint256 shares = _leaving[msg.sender].shares;
        delete _leaving[msg.sender];
        _transfer(address(this), msg.sender, shares);
    }

    /// @notice Shares of an owner that leave, and when (vault clock).
    function leavingOf(address owner) external view returns (uint256 shares, uint40 readyAt) {
        return (_leaving[owner].shares, _leaving[owner].readyAt);
    }

    /// @notice Shares that an owner may take out now.
    function maxRedeem(address owner) public view override returns (uint256) {
        Leaving memory leaving = _leaving[owner];
        return leaving.shares != 0 && vault.clock() >= leaving.readyAt ? leaving.shares : 0;
    }

    /// @notice Units that an owner may take out now.
    function maxWithdraw(address owner) public view override returns (uint256) {
        return previewRedeem(maxRedeem(owner));
    }

    function _withdraw(address caller, address receiver, address owner, uint256 assets, uint256 shares)
        internal
        override
    {
        if (caller != owner) revert NotAllowed(caller, owner);
        uint256 rest = totalAssets() - assets;
        if (rest < earmarked) revert SetAside(rest, earmarked);
        _leaving[owner].shares -= uint216(shares);
        _burn(address(this), shares);
        IERC20(asset()).safeTransfer(receiver, assets);
        emit Withdraw(caller, receiver, owner, assets, shares);
    }

    function _decimalsOffset() internal pure override returns (uint8) {
        return 3;
    }

    // ---- pots ----

    /// @notice Sets units aside for a pot, as far as the bounds allow. Answers how many.
    function earmark(uint32 channel, uint32 payee, uint256 amount) external onlyPots returns (uint256 granted) {
        uint256 assets = totalAssets();
        uint40 now_ = vault.clock();
        if (now_ >= _windowAt + _window) (_windowAt, _windowSum) = (now_, 0);
        granted = _min(amount, _less(assets, earmarked));
        granted = _min(granted, _less(assets / WINDOW_PART, _windowSum));
        granted = _min(granted, roomOf(payee));
        if (granted == 0) return 0;
        Bound storage bound = _bounds[payee];
        if (now_ >= bound.since + YEAR) (bound.used, bound.since) = (0, now_);
        bound.used += uint48(granted);
        _windowSum += uint48(granted);
        earmarked += uint48(granted);
        earmarkOf[channel] += uint48(granted);
        _onAccountOf[channel][payee] += uint48(granted);
        emit Earmarked(channel, payee, granted);
    }

    /// @notice Units that may still be set aside on account of a payee.
    function roomOf(uint32 payee) public view returns (uint256) {
        uint40 now_ = vault.clock();
        uint256 since = registry.accreditedSince(payee);
        if (since == 0 || now_ <= since + PAYEE_WAIT) return 0;
        uint256 grown = _min(now_ - since - PAYEE_WAIT, PAYEE_GROWTH);
        uint256 most = totalAssets() / PAYEE_PART * grown / PAYEE_GROWTH;
        Bound memory bound = _bounds[payee];
        return now_ >= bound.since + YEAR ? most : _less(most, bound.used);
    }

    /// @notice Sends units that were set aside for a pot to the pots, for a payee.
    function draw(uint32 channel, uint32 payee, uint256 amount) external onlyPots {
        earmarkOf[channel] -= uint48(amount);
        earmarked -= uint48(amount);
        emit Drawn(channel, payee, amount);
        IERC20(asset()).safeTransfer(pots, amount);
    }

    /// @notice A payee's claim is done: of what was set aside on its account the part that the pot doesn't draw counts
    /// against its bound no more.
    /// @param undrawn what the pot leaves of the whole that it had set aside
    function giveRoomBack(uint32 channel, uint32 payee, uint256 undrawn, uint256 whole) external onlyPots {
        uint256 own = _onAccountOf[channel][payee];
        if (own == 0) return;
        delete _onAccountOf[channel][payee];
        Bound storage bound = _bounds[payee];
        bound.used = uint48(_less(bound.used, own * undrawn / whole));
    }

    /// @notice A pot is done: what it had set aside and not drawn is free.
    function endEarmark(uint32 channel) external onlyPots {
        uint48 rest = earmarkOf[channel];
        if (rest == 0) return;
        delete earmarkOf[channel];
        earmarked -= rest;
        emit EarmarkEnded(channel, rest);
    }

    function _less(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a - b : 0;
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}

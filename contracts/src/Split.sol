// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IPayouts} from "./split/IPayouts.sol";

/// @title A split
/// @notice Divides a token among accounts whose shares were fixed when it was made: between a site's owner and its
/// operator, for instance, once a payee fixed its payout to it (Mandates.fixPayout).
/// @dev No role changes anything. Each account's part is kept until the account takes it, so one that refuses tokens holds
/// up nobody. Rounding is down; what is left over by it belongs to the next division.
contract Split is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice A part of the whole.
    struct Share {
        address account;
        /// In ten-thousandths.
        uint16 parts;
    }

    /// @notice `amount` units of the token were divided.
    event Divided(uint256 amount);
    /// @notice An account took what was its own.
    event Released(address indexed account, uint256 amount);

    /// @notice 1 to SHARES_MAX accounts, none twice, none of them zero or the split itself, no part zero, together WHOLE.
    error WrongShares();

    /// @notice All parts together.
    uint16 public constant WHOLE = 10_000;
    /// @notice Most accounts of a split: dividing and releasing loop over them.
    uint256 public constant SHARES_MAX = 16;

    IERC20 public immutable token;
    Share[] private _shares;
    /// @notice Units that wait for an account.
    mapping(address account => uint256 amount) public owed;
    /// @notice Units that wait for all accounts together.
    uint256 public owedInAll;

    /// @param token_ the only token that is divided; others can be taken by nobody
    constructor(IERC20 token_, Share[] memory shares_) {
        uint256 count = shares_.length;
        if (count == 0 || count > SHARES_MAX) revert WrongShares();
        token = token_;
        uint256 sum;
        for (uint256 i = 0; i < count; ++i) {
            Share memory share = shares_[i];
            if (share.account == address(0) || share.account == address(this) || share.parts == 0) revert WrongShares();
            for (uint256 j = 0; j < i; ++j) {
                if (shares_[j].account == share.account) revert WrongShares();
            }
            sum += share.parts;
            _shares.push(share);
        }
        if (sum != WHOLE) revert WrongShares();
    }

    /// @notice Fetches a payee's balance, divides what is here and sends every account its part. Anyone may.
    /// @param payouts the mandates of the payee's vault; zero to fetch nothing
    /// @param payee id of a payee whose payout is fixed to this split
    /// @return sent units that left; an account whose tokens can't be sent keeps its part here
    function releaseAll(IPayouts payouts, uint32 payee) external nonReentrant returns (uint256 sent) {
        if (address(payouts) != address(0)) payouts.payOut(payee);
        _divide();
        for (uint256 i = 0; i < _shares.length; ++i) {
            address account = _shares[i].account;
            uint256 amount = owed[account];
            if (amount == 0 || !token.trySafeTransfer(account, amount)) continue;
            _take(account, amount);
            sent += amount;
        }
    }

    /// @notice Divides what is here and sends one account its part. Anyone may.
    function release(address account) external nonReentrant returns (uint256 amount) {
        _divide();
        amount = owed[account];
        if (amount == 0) return 0;
        _take(account, amount);
        token.safeTransfer(account, amount);
    }

    /// @notice Accounts and their parts.
    function shares() external view returns (Share[] memory) {
        return _shares;
    }

    /// Books what came since the last time.
    function _divide() private {
        uint256 fresh = token.balanceOf(address(this)) - owedInAll;
        uint256 booked;
        for (uint256 i = 0; i < _shares.length; ++i) {
            uint256 part = (fresh * _shares[i].parts) / WHOLE;
            owed[_shares[i].account] += part;
            booked += part;
        }
        owedInAll += booked;
        if (booked != 0) emit Divided(booked);
    }

    function _take(address account, uint256 amount) private {
        owed[account] = 0;
        owedInAll -= amount;
        emit Released(account, amount);
    }
}

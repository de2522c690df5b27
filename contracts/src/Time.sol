// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

/// @title TIME (时光币)
/// @notice The token of a Sundial vault: a plain ERC-20 with permit (ERC-2612), authorizations (ERC-3009) and 6 decimals. The whole supply is made once.
/// @dev No votes and no fee: votes double the price of every transfer, and a fee would break the vault's books.
contract Time is ERC20Permit, ERC3009 {
    /// @param holder receives the whole supply
    /// @param supply in units of 10^-6 TIME; a vault can hold at most 2^48 - 1 of them
    constructor(address holder, uint256 supply) ERC20(unicode"时光币", "TIME") ERC20Permit(unicode"时光币") {
        _mint(holder, supply);
    }

    /// @notice Decimals of one TIME: 6, so that 48 bits hold 281 million TIME.
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}

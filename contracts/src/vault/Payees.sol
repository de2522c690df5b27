// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VaultBase} from "./VaultBase.sol";

/// @notice Payees, their small ids and their balances.
/// @dev A payee is one storage word: account 160 bits, balance 48, accredited since 40 (0 when it isn't), 8 unused.
abstract contract Payees is VaultBase {
    /// @notice `payee` is the id of `account` from now on.
    event PayeeRegistered(uint32 indexed payee, address indexed account);
    /// @notice The payee took `amount` units out of its balance.
    event Withdrawn(uint32 indexed payee, address indexed to, uint48 amount);

    /// @notice The balance is smaller than that.
    error BalanceTooSmall(uint48 balance, uint48 amount);

    uint256 internal constant BALANCE_SHIFT = 160;
    uint256 internal constant ACCREDITED_SHIFT = 208;

    /// @notice Gives an account its small id. Anyone may do that for any account; a second call answers the same id.
    function registerPayee(address account) external returns (uint32 payee) {
        if (account == address(0)) revert ZeroAddress();
        payee = _payeeOf[account];
        if (payee != 0) return payee;
        payee = ++_payeeCount;
        _payeeOf[account] = payee;
        _payees[payee] = uint160(account);
        emit PayeeRegistered(payee, account);
    }

    /// @notice Takes money out of the caller's balance.
    /// @param payee the caller's id
    /// @param to where the tokens go
    /// @param amount units of the token
    function withdraw(uint32 payee, address to, uint48 amount) external nonReentrant whenNotFrozen {
        uint256 word = _payees[payee];
        address account = address(uint160(word));
        if (msg.sender != account) revert NotAllowed(msg.sender, account);
        if (to == address(0)) revert ZeroAddress();
        uint48 balance = uint48(word >> BALANCE_SHIFT);
        if (amount > balance) revert BalanceTooSmall(balance, amount);
        // amount <= balance, so no borrow reaches a neighbour.
        _payees[payee] = word - (uint256(amount) << BALANCE_SHIFT);
        emit Withdrawn(payee, to, amount);
        _send(to, amount);
    }

    /// @notice Account, balance in units, and the vault's clock when the hub accredited it (0: it is not).
    function readPayee(uint32 id) external view returns (address account, uint48 balance, uint40 accreditedAt) {
        uint256 word = _payees[id];
        return (address(uint160(word)), uint48(word >> BALANCE_SHIFT), uint40(word >> ACCREDITED_SHIFT));
    }

    /// @notice Id of an account, 0 when it isn't registered.
    function payeeOf(address account) external view returns (uint32) {
        return _payeeOf[account];
    }

    /// @notice Id of the newest payee; ids rise from 1.
    function payeeCount() external view returns (uint32) {
        return _payeeCount;
    }

    /// Adds to a payee's balance. The sum of all balances is within what the vault holds, so 48 bits suffice.
    function _pay(uint32 id, uint256 amount) internal {
        _payees[id] += amount << BALANCE_SHIFT;
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VaultBase} from "./VaultBase.sol";

/// @notice Payees, their small ids and their balances.
/// @dev A payee is one storage word: account 160 bits, balance 48, then the payee's terms: SEALED 1, fee rate 7, the rest
/// unused.
abstract contract Payees is VaultBase {
    /// @notice `payee` is the id of `account` from now on.
    event PayeeRegistered(uint32 indexed payee, address indexed account);
    /// @notice The payee took `amount` units out of its balance.
    event Withdrawn(uint32 indexed payee, address indexed to, uint48 amount);

    /// @notice The balance is smaller than that.
    error BalanceTooSmall(uint48 balance, uint48 amount);
    /// @notice The payee fixed where its money goes: it is taken out by the mandates.
    error PayoutIsSealed(uint32 payee);

    uint256 internal constant BALANCE_SHIFT = 160;
    /// Set once the payee's money goes out by its mandates only.
    uint256 internal constant SEALED = 1 << 208;
    /// Where the terms begin, and where in the word the fee's rate stands. Seven bits: more than 1.27 % can't be said.
    uint256 internal constant TERMS_SHIFT = 208;
    uint256 internal constant FEE_SHIFT = 209;
    uint256 internal constant FEE_MASK = 0x7f;

    /// @notice Gives an account its small id. Anyone may do that for any account; a second call answers the same id.
    function registerPayee(address account) external returns (uint32 payee) {
        if (account == address(0)) revert ZeroAddress();
        payee = _payeeOf[account];
        if (payee != 0) return payee;
        payee = ++_state.payees;
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
        _only(address(uint160(word)));
        if (word & SEALED != 0) revert PayoutIsSealed(payee);
        _withdraw(payee, word, to, amount);
    }

    /// @notice Account, and balance in units.
    function readPayee(uint32 id) external view returns (address account, uint48 balance) {
        uint256 word = _payees[id];
        return (address(uint160(word)), uint48(word >> BALANCE_SHIFT));
    }

    /// @notice The storage words of payees, in the order of their ids: accounts in the low 160 bits.
    function payeeWords(uint256[] calldata ids) external view returns (uint256[] memory words) {
        words = new uint256[](ids.length);
        // As many as the caller named.
        for (uint256 i = 0; i < ids.length; ++i) {
            words[i] = _payees[ids[i]];
            if (words[i] == 0) revert UnknownPayee(uint32(ids[i]));
        }
    }

    /// @notice Id of an account, 0 when it isn't registered.
    function payeeOf(address account) external view returns (uint32) {
        return _payeeOf[account];
    }

    /// @notice Id of the newest payee; ids rise from 1.
    function payeeCount() external view returns (uint32) {
        return _state.payees;
    }

    function _withdraw(uint32 payee, uint256 word, address to, uint48 amount) internal {
        if (to == address(0)) revert ZeroAddress();
        uint48 balance = uint48(word >> BALANCE_SHIFT);
        if (amount > balance) revert BalanceTooSmall(balance, amount);
        // amount <= balance, so no borrow reaches a neighbour.
        _payees[payee] = word - (uint256(amount) << BALANCE_SHIFT);
        emit Withdrawn(payee, to, amount);
        _send(to, amount);
    }

    /// Adds to a payee's balance. The sum of all balances is within what the vault holds, so 48 bits suffice.
    function _pay(uint32 id, uint256 amount) internal {
        _payees[id] += amount << BALANCE_SHIFT;
    }
}

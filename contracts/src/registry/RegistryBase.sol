// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {IVaultView} from "./IVaultView.sol";

/// @notice The registry's roles and the one vault it stands for.
abstract contract RegistryBase {
    /// @notice The vault of this registry exists; its pots stand there, or will.
    event VaultDeployed(address vault, address pots);
    /// @notice The account that accredits, anchors and names settlers.
    event OperatorChanged(address operator);

    /// @notice Only this account may do that.
    error NotAllowed(address caller, address allowed);
    /// @notice An address that must not be zero is.
    error ZeroAddress();
    /// @notice This isn't the code that the registry was made for.
    error OtherCode(bytes32 code, bytes32 expected);
    /// @notice The vault stands already.
    error Stands(address vault);
    /// @notice The vault doesn't stand yet.
    error NoVault();
    /// @notice The code couldn't be created: it stands already.
    error NotCreated();

    /// @notice The only account that replaces root and operator; gives notice.
    TimelockController public immutable timelock;
    /// @notice keccak256 of the creation code, with parameters, of the vault, of its pots and of its mandates.
    bytes32 public immutable vaultCode;
    bytes32 public immutable potsCode;
    bytes32 public immutable mandatesCode;
    /// @notice The vault; zero before it was deployed.
    address public vault;
    /// @notice Accredits payees, names settlers, anchors the log.
    address public operator;

    constructor(TimelockController timelock_, bytes32 vaultCode_, bytes32 potsCode_, bytes32 mandatesCode_) {
        timelock = timelock_;
        vaultCode = vaultCode_;
        potsCode = potsCode_;
        mandatesCode = mandatesCode_;
    }

    modifier onlyTimelock() {
        if (msg.sender != address(timelock)) revert NotAllowed(msg.sender, address(timelock));
        _;
    }

    modifier onlyOperator() {
        if (msg.sender != operator) revert NotAllowed(msg.sender, operator);
        _;
    }

    /// @notice Creates the vault that this registry was made for. Anyone may: only that code is taken, once.
    /// @param code creation code and parameters
    function deployVault(bytes calldata code) external returns (address created) {
        if (vault != address(0)) revert Stands(vault);
        created = _create(code, vaultCode);
        vault = created;
        emit VaultDeployed(created, pots());
    }

    /// @notice Creates the pots of the vault, which the vault knows by their code. Anyone may.
    /// @param code creation code and parameters
    function deployPots(bytes calldata code) external returns (address created) {
        if (vault == address(0)) revert NoVault();
        return _create(code, potsCode);
    }

    /// @notice Creates the mandates of the vault, which the vault knows by their code. Anyone may.
    /// @param code creation code
    function deployMandates(bytes calldata code) external returns (address created) {
        if (vault == address(0)) revert NoVault();
        return _create(code, mandatesCode);
    }

    /// @notice Where the pots stand, or will.
    function pots() public view returns (address) {
        return _addressOf(potsCode);
    }

    /// @notice Where the mandates stand, or will.
    function mandates() external view returns (address) {
        return _addressOf(mandatesCode);
    }

    /// @notice Replaces the operator; only the timelock may.
    function setOperator(address next) external onlyTimelock {
        _setOperator(next);
    }

    function _addressOf(bytes32 code) private view returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), this, bytes32(0), code)))));
    }

    function _create(bytes memory code, bytes32 expected) private returns (address created) {
        bytes32 found = keccak256(code);
        if (found != expected) revert OtherCode(found, expected);
        assembly ("memory-safe") {
            created := create2(0, add(code, 0x20), mload(code), 0)
            if and(iszero(created), gt(returndatasize(), 0)) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
        if (created == address(0)) revert NotCreated();
    }

    function _setOperator(address next) internal {
        if (next == address(0)) revert ZeroAddress();
        operator = next;
        emit OperatorChanged(next);
    }

    function _vault() internal view returns (IVaultView) {
        if (vault == address(0)) revert NoVault();
        return IVaultView(vault);
    }
}

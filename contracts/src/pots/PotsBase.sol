// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Reserve} from "../Reserve.sol";
import {IRegistry} from "../vault/IRegistry.sol";
import {Reasons} from "../vault/Reasons.sol";
import {Rows} from "../vault/Rows.sol";
import {VaultBase} from "../vault/VaultBase.sol";
import {IVault} from "./IVault.sol";

/// @notice What pots are made of, and how evidence is read.
abstract contract PotsBase is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev Three slots. Sums are wider than amounts, as everybody may claim.
    struct Pot {
        /// The bond, and what of it is not paid out yet.
        uint48 bond;
        uint48 left;
        /// Chain time of the proof.
        uint40 openedAt;
        /// When registering ends, on the vault's clock; collecting begins the slow lane's delay later.
        uint40 closesAt;
        /// Registered and not collected.
        uint40 claims;
        /// Sums of what is claimed in the three classes.
        uint80 sum1;
        uint80 sumR;
        uint80 sum2;
        /// What the reserve earmarked, and what of it was drawn.
        uint48 guarantee;
        uint48 drawn;
        /// The freeze before the proof, chain time: it made some leases count longer.
        uint40 frozenSince;
        uint40 frozenUntil;
    }

    /// @notice A message of the evidence can't be used, for this reason (see Reasons).
    error BadEvidence(uint256 reason);
    /// @notice The messages aren't all of one channel and signed by its payer.
    error NotOfThisPayer(uint256 channel, address signer);
    /// @notice Only this account may do that.
    error NotAllowed(address caller, address allowed);

    uint256 internal constant MASK48 = 0xffffffffffff;

    IERC20 public immutable token;
    IVault public immutable vault;
    IRegistry public immutable registry;
    /// @notice Stands behind the hub's guarantees.
    Reserve public immutable reserve;
    /// @notice Seconds in which shortfalls can be registered: longer than a payee's terminals may be offline.
    uint40 public immutable claimWindow;
    uint40 internal immutable _slowLane;
    uint40 internal immutable _watchLag;
    uint40 internal immutable _leaseLifetime;

    mapping(uint32 channel => Pot) internal _pots;

    constructor(IERC20 token_, VaultBase.Timing memory timing, Reserve reserve_) {
        token = token_;
        registry = IRegistry(msg.sender);
        vault = IVault(registry.vault());
        reserve = reserve_;
        claimWindow = timing.payeeOfflineMax + timing.claimMargin;
        _slowLane = timing.slowLane;
        _watchLag = timing.watchLag;
        _leaseLifetime = timing.leaseLifetime;
    }

    /// @notice The pot of a channel, all zero when no fraud was proved. Amounts in units.
    function readPot(uint32 channel) external view returns (Pot memory) {
        return _pots[channel];
    }

    /// Reads the header of evidence: the same format as a batch's.
    function _readHeader(bytes calldata evidence) internal view returns (Rows.Reader memory reader) {
        Rows.setPayees(reader, vault.payeeWords(Rows.readIds(reader, evidence)));
    }

    /// A list above its `spent` can't settle, but it is a good proof.
    function _checkEvidence(Rows.Row memory row, uint32 channel, address payer) internal pure {
        if (row.fault != Reasons.APPLIED && row.fault != Reasons.LIST_ABOVE_SPENT) revert BadEvidence(row.fault);
        if (row.channel != channel || row.signer != payer) revert NotOfThisPayer(row.channel, row.signer);
    }

    /// a - b, at least 0.
    function _less(uint256 a, uint256 b) internal pure returns (uint256) {
        return a > b ? a - b : 0;
    }

    function _min(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }
}

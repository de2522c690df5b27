// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Deposits} from "./mandates/Deposits.sol";
import {Payouts} from "./mandates/Payouts.sol";

/// @title What owners and payees let others do for them
/// @notice Deposits on a signature, channels that change hands, withdrawals that anybody carries. Holds no money: it is
/// the vault's, and the vault lets this code, and no account, act for whoever gave the word.
/// @dev The registry creates it: see Registry.deployMandates. No role, no upgrade.
contract Mandates is Deposits, Payouts {}

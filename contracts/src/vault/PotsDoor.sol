// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRegistry} from "./IRegistry.sol";
import {Lanes} from "./Lanes.sol";
import {Payees} from "./Payees.sol";

/// @notice The only door between the vault and its pots: a proved cheater's bond goes out, shares come in.
/// @dev The pots' address says what code stands there (CREATE2), and the vault never changes it: no role stands behind
/// this door.
abstract contract PotsDoor is Payees {
    /// @notice `raised` units count as settled on a lane, `amount` came into the payee's balance from the pots.
    event PotPaid(uint32 indexed channel, uint32 indexed payee, uint48 amount, uint48 raised);
    /// @notice A proved cheater's bond left for the pots.
    event BondLost(uint32 indexed channel, uint48 bond);

    /// @notice Pots, proofs and reserve.
    address public immutable pots;

    constructor() {
        pots = IRegistry(registry).pots();
    }

    modifier onlyPots() {
        _only(pots);
        _;
    }

    /// @notice Sends a channel's bond to the pots, which proved that its payer cheated.
    function slash(uint32 channel) external nonReentrant onlyPots returns (uint48 bond) {
        Channel storage found = _channel(channel);
        bond = found.bond;
        found.bond = 0;
        found.slashed = true;
        emit BondLost(channel, bond);
        _send(pots, bond);
    }

    /// @notice Books what the pots just sent: into the payee's balance, `raised` of it as settled on its lane.
    function payFromPot(uint32 channel, uint32 payee, uint48 amount, uint48 raised)
        external
        nonReentrant
        whenNotFrozen
        onlyPots
    {
        _state.held += amount;
        if (raised != 0) Lanes.raiseFrom(_baseOf(channel, _channel(channel).payer), payee, raised);
        _pay(payee, amount);
        emit PotPaid(channel, payee, amount, raised);
    }

    /// @notice Key and bond of a channel.
    function payerOf(uint32 channel) external view returns (address payer, uint48 bond) {
        Channel storage found = _channel(channel);
        return (found.payer, found.bond);
    }
}

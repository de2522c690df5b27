// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Lanes} from "./Lanes.sol";
import {VaultBase} from "./VaultBase.sol";

/// @notice Deposits and how their owners get them back.
abstract contract Channels is VaultBase {
    /// @notice A channel as it stands. Amounts in units.
    struct ChannelView {
        address owner;
        address payer;
        /// All money that ever came in, bond included.
        uint48 deposited;
        /// All credits that payees gave back.
        uint48 credited;
        uint48 bond;
        /// What vouchers may still move.
        uint48 free;
        /// When the running exit may be finished, on the vault's clock; 0 when none runs.
        uint40 exitReady;
        /// Key that takes over when the exit finishes; zero when the owner leaves.
        address nextPayer;
        /// True once a fraud was proved.
        bool slashed;
    }

    /// @notice `free` = amount - bond. `funder` paid, `owner` owns.
    event ChannelOpened(
        uint32 indexed channel,
        address indexed owner,
        address indexed payer,
        address funder,
        uint48 amount,
        uint48 bond
    );
    /// @notice The deposit grew by `amount`, of which `bond` can't be spent.
    event ChannelToppedUp(uint32 indexed channel, address indexed funder, uint48 amount, uint48 bond);
    /// @notice From `readyAt` on the vault's clock the exit can be finished; `nextPayer` is zero when the owner leaves.
    event ExitStarted(uint32 indexed channel, uint40 readyAt, address nextPayer);
    /// @notice `returned` went to the owner (or, with `successor` not 0, into that channel). `bond` of it was the bond.
    event ExitFinished(uint32 indexed channel, uint48 returned, uint48 bond, uint32 successor);
    /// @notice The smallest share of a deposit that is bond, in ten-thousandths.
    event BondShareChanged(uint16 share);

    /// @notice The bond is below the share of this deposit, or above the deposit.
    error WrongBond(uint256 bond, uint256 needed, uint256 amount);
    /// @notice A deposit of nothing.
    error NothingDeposited();
    /// @notice An exit is running or done, or a fraud was proved: the channel takes no more money.
    error ChannelLeaving(uint32 channel);
    /// @notice Nobody started an exit of this channel.
    error NoExit(uint32 channel);
    /// @notice The exit's delay isn't over.
    error ExitNotReady(uint40 readyAt, uint40 clock);
    /// @notice A parameter outside the bounds that the code sets.
    error OutOfBounds(uint256 value, uint256 min, uint256 max);

    /// @notice Bounds of bondShare, in ten-thousandths: never a deposit without bond, never more bond than money.
    uint16 internal constant BOND_SHARE_MIN = 500;
    uint16 internal constant BOND_SHARE_MAX = 5000;
    uint256 private constant SHARES = 10_000;

    /// @notice Opens a channel with tokens that the caller approved.
    /// @param owner account that may leave with what is not spent; may differ from the caller, who pays
    /// @param payer address of the device key that signs vouchers; may serve other channels too
    /// @param amount units of the token; at most 2^48 - 1 in the whole vault
    /// @param bond units of `amount` that can't be spent and are lost on a proved fraud; at least the bond's share
    /// @return channel number of the new channel; a device must wait for finality before it relies on it
    function open(address owner, address payer, uint48 amount, uint48 bond)
        external
        nonReentrant
        returns (uint32 channel)
    {
        uint256 before;
        (channel, before) = _open(owner, payer, amount, bond, amount);
        _collect(amount, before);
    }

    /// @notice Adds approved tokens to a channel. Anyone may; only the owner ever gets them back.
    /// @param amount units of the token
    /// @param bond units of `amount` that join the bond; at least the bond's share
    function topUp(uint32 channel, uint48 amount, uint48 bond) external nonReentrant whenNotFrozen {
        _receive(amount);
        _topUp(channel, amount, bond);
    }

    /// @notice Starts the clock after which the owner takes out what is left, or hands it to another payer key.
    /// @dev Vouchers settle all the while: the delay exists so that every payee's can. It can't be called off or
    /// changed, so a lost device's finder gains nothing by waiting.
    /// @param nextPayer zero to leave; else the key of the device that replaces a lost one
    function startExit(uint32 channel, address nextPayer) external nonReentrant {
        _only(_channel(channel).owner);
        _startExit(channel, nextPayer);
    }

    /// @notice Ends an exit: the owner gets what is free and the bond, or a new channel for the next key gets both.
    /// @dev Anyone may call it; it only ever pays the owner. It can be called again when a late credit came in.
    function finishExit(uint32 channel) external nonReentrant whenNotFrozen {
        Channel storage found = _channel(channel);
        uint40 readyAt = found.exitReady;
        if (readyAt == 0) revert NoExit(channel);
        uint40 now_ = clock();
        if (now_ < readyAt) revert ExitNotReady(readyAt, now_);

        uint256 purse = Lanes.key(found.payer, channel);
        uint256 page0 = _purses[purse][0];
        uint256 free = (page0 >> Lanes.FREE_SHIFT) & MASK48;
        _purses[purse][0] = page0 - (free << Lanes.FREE_SHIFT);
        uint48 bond = found.bond;
        found.bond = 0;
        uint48 returned = uint48(free + bond);

        address nextPayer = _replacements[channel];
        address owner = found.owner;
        if (nextPayer == address(0) || returned == 0) {
            emit ExitFinished(channel, returned, bond, 0);
            _send(owner, returned);
        } else {
            delete _replacements[channel];
            uint256 needed = bondNeeded(returned);
            emit ExitFinished(channel, returned, bond, _state.channels + 1);
            _open(owner, nextPayer, returned, bond > needed ? bond : uint48(needed), 0);
        }
    }

    /// @notice Sets the smallest bond of new deposits, in ten-thousandths. Deposits already made keep theirs.
    function setBondShare(uint16 share) external onlyTimelock {
        _setBondShare(share);
    }

    /// @notice The smallest share of a new deposit that is bond, in ten-thousandths.
    function bondShare() external view returns (uint16) {
        return _state.bondShare;
    }

    /// @notice The smallest bond for a deposit, in units, rounded up.
    function bondNeeded(uint256 amount) public view returns (uint256) {
        return _bondNeeded(amount, _state.bondShare);
    }

    /// @notice What is known of a channel. A hub may lease up to deposited + credited - bond, which is what is free
    /// plus what was settled.
    function readChannel(uint32 id) external view returns (ChannelView memory) {
        Channel storage found = _channel(id);
        return ChannelView({
            owner: found.owner,
            payer: found.payer,
            deposited: found.deposited,
            credited: found.credited,
            bond: found.bond,
            free: uint48(_free(id, found.payer)),
            exitReady: found.exitReady,
            nextPayer: _replacements[id],
            slashed: found.slashed
        });
    }

    /// @notice Who may leave with what is left.
    function ownerOf(uint32 channel) external view returns (address) {
        return _channel(channel).owner;
    }

    /// @notice Number of the newest channel; numbers rise from 1.
    function channelCount() external view returns (uint32) {
        return _state.channels;
    }

    function _setBondShare(uint16 share) internal {
        if (share < BOND_SHARE_MIN || share > BOND_SHARE_MAX) {
            revert OutOfBounds(share, BOND_SHARE_MIN, BOND_SHARE_MAX);
        }
        _state.bondShare = share;
        emit BondShareChanged(share);
    }

    function _startExit(uint32 channel, address nextPayer) internal {
        Channel storage found = _channel(channel);
        if (found.exitReady != 0) revert ChannelLeaving(channel);
        uint40 readyAt = clock() + exitDelay;
        found.exitReady = readyAt;
        if (nextPayer != address(0)) _replacements[channel] = nextPayer;
        emit ExitStarted(channel, readyAt, nextPayer);
    }

    function _checkBond(uint48 amount, uint48 bond, uint256 share) private pure {
        if (amount == 0) revert NothingDeposited();
        uint256 needed = _bondNeeded(amount, share);
        if (bond < needed || bond > amount) revert WrongBond(bond, needed, amount);
    }

    function _bondNeeded(uint256 amount, uint256 share) private pure returns (uint256) {
        return (amount * share + SHARES - 1) / SHARES;
    }

    /// Writes a new channel, of which `added` units are still to come in. The vault's state is one word that is read and written
    /// once, and before the token is called: what a token calls back finds books that are whole.
    /// @return id number of the channel
    /// @return before units that the vault owed until now
    function _open(address owner, address payer, uint48 amount, uint48 bond, uint256 added)
        private
        returns (uint32 id, uint256 before)
    {
        if (owner == address(0) || payer == address(0)) revert ZeroAddress();
        uint256 state = _readState();
        _checkFrozen(state);
        _checkBond(amount, bond, _shareOf(state));
        before = _heldOf(state);
        _writeState(_withHeld(state, before, added) + ONE_CHANNEL);
        // Nobody opens as many channels as there are numbers.
        id = uint32(state >> CHANNELS_SHIFT) + 1;
        // Both words of the channel as a whole: field by field each of seven would be read and written.
        Channel storage made = _channels[id];
        uint256 first = uint160(owner) | (uint256(bond) << 160);
        uint256 second = uint160(payer) | (uint256(amount) << 160);
        assembly ("memory-safe") {
            sstore(made.slot, first)
            sstore(add(made.slot, 1), second)
        }
        uint256 base = _baseOf(id, payer);
        // The bond is at most the amount.
        uint256 page0;
        unchecked {
            page0 = Lanes.OPEN_FLAG | (uint256(amount - bond) << Lanes.FREE_SHIFT);
        }
        assembly ("memory-safe") {
            sstore(base, page0)
        }
        emit ChannelOpened(id, owner, payer, msg.sender, amount, bond);
    }

    function _topUp(uint32 id, uint48 amount, uint48 bond) private {
        Channel storage found = _channel(id);
        if (found.exitReady != 0 || found.slashed) revert ChannelLeaving(id);
        _checkBond(amount, bond, _state.bondShare);
        found.deposited += amount;
        found.bond += bond;
        uint256 purse = Lanes.key(found.payer, id);
        // The sum stays within 48 bits, because all money in the vault does.
        _purses[purse][0] += uint256(amount - bond) << Lanes.FREE_SHIFT;
        emit ChannelToppedUp(id, msg.sender, amount, bond);
    }
}

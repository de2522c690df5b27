// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MandatesBase} from "./MandatesBase.sol";

/// @notice Whose a channel is: handing it on in two steps, leaving to another account, and a slow way back for an owner
/// who lost the key.
/// @dev One offer stands for a channel at a time. The owner's may be accepted at once, the recovery account's after
/// RECOVERY_DELAY, so that an owner who is there after all has time to offer something else, or nothing.
abstract contract Owners is MandatesBase {
    /// @dev One slot. `readyAt` is on the vault's clock.
    struct Offer {
        address next;
        uint40 readyAt;
    }

    /// @notice `next` may take the channel over from `readyAt` on (vault clock); zero takes an offer back.
    event ChannelOffered(uint32 indexed channel, address indexed next, uint40 readyAt);
    /// @notice `recovery` may offer the channel to somebody, slowly; zero for nobody.
    event RecoveryNamed(uint32 indexed channel, address indexed recovery);

    /// @notice The offer can be accepted then (vault clock).
    error OfferNotReady(uint40 readyAt, uint40 clock);

    /// @notice From a recovery account's offer until it may be accepted, in seconds of the vault's clock: longer than
    /// an owner is away without noticing.
    uint40 public constant RECOVERY_DELAY = 30 days;

    /// @notice The offer that stands for a channel.
    mapping(uint32 channel => Offer) public offerOf;
    /// @notice The account that may offer a channel whose owner lost the key; zero for none.
    mapping(uint32 channel => address recovery) public recoveryOf;

    modifier onlyOwner(uint32 channel) {
        address owner = vault.ownerOf(channel);
        if (msg.sender != owner) revert NotAllowed(msg.sender, owner);
        _;
    }

    /// @notice Names the account that may hand the channel on should the owner's key be lost. The owner names another
    /// one, or none, at any time.
    function nameRecovery(uint32 channel, address recovery) external onlyOwner(channel) {
        _nameRecovery(channel, recovery);
    }

    /// @notice Offers the channel to another owner; a new offer takes the one before it back. The owner or the recovery
    /// account.
    /// @param next who may accept; zero for nobody
    function offerChannel(uint32 channel, address next) external {
        address owner = vault.ownerOf(channel);
        uint40 readyAt;
        if (msg.sender != owner) {
            if (msg.sender != recoveryOf[channel]) revert NotAllowed(msg.sender, owner);
            readyAt = vault.clock() + RECOVERY_DELAY;
        }
        offerOf[channel] = Offer(next, readyAt);
        emit ChannelOffered(channel, next, readyAt);
    }

    /// @notice Takes an offered channel over, with what a running exit gives back. The recovery account that the owner
    /// before named is none any more.
    function acceptChannel(uint32 channel) external {
        Offer memory offer = offerOf[channel];
        if (msg.sender != offer.next) revert NotAllowed(msg.sender, offer.next);
        uint40 now_ = vault.clock();
        if (now_ < offer.readyAt) revert OfferNotReady(offer.readyAt, now_);
        _give(channel, msg.sender);
    }

    /// @notice Starts an exit that pays somebody else: the channel is `recipient`'s from then on, with what is left of it.
    function startExitTo(uint32 channel, address recipient) external onlyOwner(channel) {
        vault.startExitFor(channel);
        _give(channel, recipient);
    }

    function _nameRecovery(uint32 channel, address recovery) internal {
        recoveryOf[channel] = recovery;
        emit RecoveryNamed(channel, recovery);
    }

    function _give(uint32 channel, address owner) private {
        delete offerOf[channel];
        delete recoveryOf[channel];
        vault.setOwner(channel, owner);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Reasons} from "./Reasons.sol";

/// @notice What a channel has settled, lane by lane, in packed storage pages.
/// @dev A purse is the storage of one (signer, channel): page 0 holds the free amount and the first two lanes, pages 1
/// to 3 three lanes each, and every further lane has a slot of its own. A lane is (payee id 32, settled 48); lanes are
/// only appended and never removed, so the first empty place ends a search. A search reads at most four pages and one
/// slot, so no payer can make a row dear for the one who submits it.
///
/// Keying by the *recovered signer* is what makes a row cheap: a forged row lands on an empty purse, and nothing has to
/// be read to learn who the payer is.
library Lanes {
    uint256 internal constant PAGES = 4;
    uint256 internal constant MASK32 = 0xffffffff;
    uint256 internal constant MASK48 = 0xffffffffffff;
    /// Bits of one lane.
    uint256 private constant LANE_BITS = 80;
    /// Where page 0 holds the free amount.
    uint256 internal constant FREE_SHIFT = 160;
    /// Set in page 0 of every purse that was ever opened.
    uint256 internal constant OPEN_FLAG = 1 << 208;

    /// @notice Key of a purse. A payer key may serve several channels, so nobody can squat on a key by opening first.
    function key(address signer, uint256 channel) internal pure returns (uint256) {
        return (channel << 160) | uint160(signer);
    }

    /// @notice Where a lane stands or, when it is new, where it belongs.
    /// @param base slot of page 0
    /// @param page0 current content of page 0, which may be newer than storage
    /// @return slot storage slot
    /// @return word content of that slot
    /// @return shift bit position of the lane in it
    function find(uint256 base, uint256 page0, uint256 payee)
        internal
        view
        returns (uint256 slot, uint256 word, uint256 shift)
    {
        unchecked {
            uint256 id = page0 & MASK32;
            if (id == payee || id == 0) return (base, page0, 0);
            id = (page0 >> LANE_BITS) & MASK32;
            if (id == payee || id == 0) return (base, page0, LANE_BITS);
            // At most PAGES - 1 pages of three lanes.
            for (uint256 page = 1; page < PAGES; ++page) {
                slot = base + page;
                assembly ("memory-safe") {
                    word := sload(slot)
                }
                id = word & MASK32;
                if (id == payee || id == 0) return (slot, word, 0);
                id = (word >> LANE_BITS) & MASK32;
                if (id == payee || id == 0) return (slot, word, LANE_BITS);
                id = (word >> (2 * LANE_BITS)) & MASK32;
                if (id == payee || id == 0) return (slot, word, 2 * LANE_BITS);
            }
            assembly ("memory-safe") {
                mstore(0, payee)
                mstore(0x20, base)
                slot := keccak256(0, 0x40)
                word := sload(slot)
            }
            shift = 0;
        }
    }

    /// @notice What a lane has settled so far.
    function settled(uint256 base, uint256 payee) internal view returns (uint256) {
        uint256 page0;
        assembly ("memory-safe") {
            page0 := sload(base)
        }
        (, uint256 word, uint256 shift) = find(base, page0, payee);
        return (word >> (shift + 32)) & MASK48;
    }

    /// @notice Raises a lane towards `top`, as far as the channel has free money.
    /// @dev Writes every slot but page 0, which the caller holds and writes once.
    /// @param base slot of page 0
    /// @param page0 current content of page 0
    /// @param payee id of the payee, never 0
    /// @param top total that the payer signed for this lane
    /// @return page0 with the free amount lowered
    /// @return moved what the payee gets
    /// @return reason APPLIED, PARTLY, STALE or NO_FUNDS
    function raise(uint256 base, uint256 page0, uint256 payee, uint256 top)
        internal
        returns (uint256, uint256 moved, uint256 reason)
    {
        unchecked {
            (uint256 slot, uint256 word, uint256 shift) = find(base, page0, payee);
            uint256 before = (word >> (shift + 32)) & MASK48;
            if (top <= before) return (page0, 0, Reasons.STALE);
            moved = top - before;
            uint256 free = (page0 >> FREE_SHIFT) & MASK48;
            if (moved > free) {
                if (free == 0) return (page0, 0, Reasons.NO_FUNDS);
                moved = free;
                reason = Reasons.PARTLY;
            }
            // The lane's id is set again, because a new lane has none yet. `moved` is added to the settled amount in
            // place: it stays at or below `top`, so no carry reaches a neighbour.
            word = (word | (payee << shift)) + (moved << (shift + 32));
            if (slot == base) {
                page0 = word;
            } else {
                assembly ("memory-safe") {
                    sstore(slot, word)
                }
            }
            // moved <= free, so no borrow reaches a neighbour.
            return (page0 - (moved << FREE_SHIFT), moved, reason);
        }
    }

    /// @notice Raises a lane without touching the free amount: money from elsewhere (a pot) pays for it.
    function raiseFrom(uint256 base, uint256 payee, uint256 moved) internal {
        uint256 page0;
        assembly ("memory-safe") {
            page0 := sload(base)
        }
        (uint256 slot, uint256 word, uint256 shift) = find(base, page0, payee);
        word = (word | (payee << shift)) + (moved << (shift + 32));
        assembly ("memory-safe") {
            sstore(slot, word)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Timelock} from "../Timelock.sol";
import {Digests} from "./Digests.sol";
import {Lanes} from "./Lanes.sol";

/// @notice Storage, limits and shared steps of the vault.
/// @dev Amounts are `uint48` units of the token, times `uint40` seconds, channels and payee ids `uint32`.
abstract contract VaultBase is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice The clocks of rule 11, in seconds. An exit must outlast everything that happens before an honest
    /// payee's voucher can reach the vault.
    struct Timing {
        /// From startExit to finishExit.
        uint40 exitDelay;
        /// A hub signs no lease when its newest block is older than this.
        uint40 watchLag;
        /// Longest life of a lease.
        uint40 leaseLifetime;
        /// How wrong a device's clock may be.
        uint40 clockError;
        /// How long a payee's terminal may stay offline.
        uint40 payeeOfflineMax;
        /// What a payee has left to bring in its vouchers.
        uint40 claimMargin;
        /// From announcing a batch to executing it, for everybody who isn't a settler.
        uint40 slowLane;
    }

    /// @dev Two slots. `exitReady` is on the vault's clock, 0 while no exit runs.
    struct Channel {
        address owner;
        uint48 bond;
        uint40 exitReady;
        bool slashed;
        address payer;
        uint48 deposited;
        uint48 credited;
    }

    /// @notice Seconds of chain time; `earlier` adds up all freezes before the latest.
    struct Freeze {
        uint40 since;
        uint40 until;
        uint40 earlier;
    }

    /// @dev One slot, which nearly every call reads.
    struct State {
        /// As in Freeze.
        uint40 frozenSince;
        uint40 frozenUntil;
        uint40 frozenEarlier;
        /// Number of the newest channel, and of the newest payee.
        uint32 channels;
        uint32 payees;
        /// Units that the vault owes.
        uint48 held;
        /// Smallest share of a deposit that is bond, in ten-thousandths.
        uint16 bondShare;
    }

    /// @notice Only this account may do that.
    error NotAllowed(address caller, address allowed);
    /// @notice An address that must not be zero is.
    error ZeroAddress();
    /// @notice rule 11: the exit delay is shorter than the sum of the other clocks.
    error ExitTooShort(uint256 exitDelay, uint256 needed);
    /// @notice A clock of zero, or an exit that locks funds for longer than EXIT_MAX.
    error TimingOutOfBounds();
    /// @notice Tokens with more decimals don't fit 48-bit amounts usefully.
    error TooManyDecimals(uint256 decimals);
    /// @notice The vault's timelock gives less notice than users were promised.
    error TimelockTooShort(uint256 delay, uint256 needed);
    /// @notice The token moved less than asked: a fee token can't be kept in books.
    error WrongAmountReceived(uint256 received, uint256 expected);
    /// @notice The vault counts in 48 bits: this deposit would be more than it can hold. Units.
    error VaultFull(uint256 held, uint256 amount, uint256 most);
    /// @notice No such channel.
    error UnknownChannel(uint32 channel);
    /// @notice No such payee id.
    error UnknownPayee(uint32 payee);
    /// @notice The guardian has stopped the vault until then (seconds of chain time).
    error Frozen(uint40 until);

    /// @notice A purse can't be larger than this: all amounts are 48 bits wide, so sums over the vault fit too.
    uint256 internal constant HELD_MAX = type(uint48).max;
    /// @notice Notice that users get before a parameter changes, in seconds.
    uint256 internal constant TIMELOCK_DELAY_MIN = 2 days;
    /// @notice Longest exit delay, in seconds: what an owner can wait for.
    uint256 internal constant EXIT_MAX = 365 days;
    /// @dev More decimals would leave too few whole tokens in 48 bits: 9 leave 281,474.
    uint256 private constant DECIMALS_MAX = 9;
    uint256 internal constant MASK48 = 0xffffffffffff;

    /// @dev Where the fields of State stand in its word.
    uint256 private constant FROZEN_UNTIL_SHIFT = 40;
    uint256 internal constant CHANNELS_SHIFT = 120;
    uint256 private constant HELD_SHIFT = 184;
    uint256 private constant SHARE_SHIFT = 232;
    uint256 internal constant ONE_CHANNEL = 1 << CHANNELS_SHIFT;

    /// @notice The token that the vault holds.
    IERC20 public immutable token;
    /// @notice The only account that changes parameters.
    Timelock public immutable timelock;
    /// @notice What L2 knows of the hub: its keys, settlers and payees. Moves no money.
    address public immutable registry;
    /// @dev The separator for the chain that the vault was deployed on, and that chain's id.
    bytes32 private immutable _separator;
    uint256 private immutable _chainId;
    /// @notice Clocks in seconds; see Timing.
    uint40 public immutable exitDelay;
    uint40 public immutable watchLag;
    uint40 public immutable leaseLifetime;
    uint40 public immutable clockError;
    uint40 public immutable payeeOfflineMax;
    uint40 public immutable claimMargin;
    uint40 public immutable slowLane;

    /// @dev slot 0: purses by (signer, channel); pages 0 to 3, further lanes behind keccak256(payee, slot of page 0).
    mapping(uint256 purse => uint256[4] pages) internal _purses;
    /// @dev slot 1: one packed word a payee; see Payees.
    mapping(uint256 payee => uint256 word) internal _payees;
    /// @dev slot 2
    mapping(address account => uint32 payee) internal _payeeOf;
    /// @dev slot 3
    mapping(uint32 channel => Channel) internal _channels;
    /// @dev slot 4: key that takes over when the running exit finishes.
    mapping(uint32 channel => address payer) internal _replacements;
    /// @dev slot 5: credited so far, by voucher digest. Netting credits at settlement instead would let a payee
    /// settle the gross voucher again.
    mapping(bytes32 voucher => uint48 credited) internal _creditOf;
    /// @dev slot 6: credited so far on a lane. It stays within what the lane settled, or one channel's money could
    /// refill another.
    mapping(uint256 purse => mapping(uint256 payee => uint256 credited)) internal _laneCredited;

    /// @dev slot 7
    State internal _state;

    constructor(IERC20 token_, Timelock timelock_, Timing memory timing) {
        uint256 decimals = IERC20Metadata(address(token_)).decimals();
        if (decimals > DECIMALS_MAX) revert TooManyDecimals(decimals);
        // The floor under the notice, not the notice of today: that one can be set.
        uint256 delay = timelock_.NOTICE_MIN();
        if (delay < TIMELOCK_DELAY_MIN) revert TimelockTooShort(delay, TIMELOCK_DELAY_MIN);
        if (
            timing.watchLag == 0 || timing.leaseLifetime == 0 || timing.clockError == 0 || timing.payeeOfflineMax == 0
                || timing.claimMargin == 0 || timing.slowLane == 0 || timing.exitDelay > EXIT_MAX
        ) revert TimingOutOfBounds();
        uint256 needed = uint256(timing.watchLag) + timing.leaseLifetime + timing.clockError + timing.payeeOfflineMax
            + timing.claimMargin + timing.slowLane;
        if (timing.exitDelay < needed) revert ExitTooShort(timing.exitDelay, needed);
        token = token_;
        timelock = timelock_;
        registry = msg.sender;
        _chainId = block.chainid;
        _separator = Digests.separator(block.chainid, address(this));
        exitDelay = timing.exitDelay;
        watchLag = timing.watchLag;
        leaseLifetime = timing.leaseLifetime;
        clockError = timing.clockError;
        payeeOfflineMax = timing.payeeOfflineMax;
        claimMargin = timing.claimMargin;
        slowLane = timing.slowLane;
    }

    modifier onlyTimelock() {
        _only(address(timelock));
        _;
    }

    modifier whenNotFrozen() {
        _checkFrozen(_readState());
        _;
    }

    /// @notice Seconds that the vault has not been frozen. Exits and claim windows run on this clock, so a freeze
    /// stops them as long as it stops everyone else, and eats nobody's time.
    function clock() public view returns (uint40) {
        // In storage: settling counts on how much memory was taken before it.
        State storage state = _state;
        uint256 end = block.timestamp < state.frozenUntil ? block.timestamp : state.frozenUntil;
        return uint40(block.timestamp - state.frozenEarlier - (end - state.frozenSince));
    }

    /// @notice EIP-712 domain separator. It follows the chain's id: after a fork each side has its own.
    function domainSeparator() public view returns (bytes32) {
        return block.chainid == _chainId ? _separator : Digests.separator(block.chainid, address(this));
    }

    /// @notice The domain of everything that is signed for this vault, as ERC-5267 shows it to wallets.
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (0x0f, "Sundial", "1", block.chainid, address(this), 0, new uint256[](0));
    }

    /// @notice Sends away what came here by mistake: another token, or what of the vault's own token is above what it
    /// owes. Deposits, bonds and balances are never in reach.
    function rescue(IERC20 stray, address to) external nonReentrant onlyTimelock {
        uint256 there = stray.balanceOf(address(this));
        stray.safeTransfer(to, address(stray) == address(token) ? there - _state.held : there);
    }

    /// @notice Units of the token that the vault owes: free amounts, bonds and balances together.
    function held() external view returns (uint48) {
        return _state.held;
    }

    // Functions, because a modifier's own code is copied into every function that has it.
    function _only(address allowed) internal view {
        if (msg.sender != allowed) revert NotAllowed(msg.sender, allowed);
    }

    function _checkFrozen(uint256 state) internal view {
        uint40 until = uint40(state >> FROZEN_UNTIL_SHIFT);
        if (block.timestamp < until) revert Frozen(until);
    }

    /// The one word of State.
    function _readState() internal view returns (uint256 state) {
        assembly ("memory-safe") {
            state := sload(_state.slot)
        }
    }

    function _writeState(uint256 state) internal {
        assembly ("memory-safe") {
            sstore(_state.slot, state)
        }
    }

    function _heldOf(uint256 state) internal pure returns (uint256) {
        return (state >> HELD_SHIFT) & MASK48;
    }

    function _shareOf(uint256 state) internal pure returns (uint256) {
        return uint16(state >> SHARE_SHIFT);
    }

    /// The state with so much more that the vault owes; `held_` is what it owes now.
    function _withHeld(uint256 state, uint256 held_, uint256 added) internal pure returns (uint256) {
        unchecked {
            // Both are of 48 bits.
            if (held_ + added > HELD_MAX) revert VaultFull(held_, added, HELD_MAX);
            return state + (added << HELD_SHIFT);
        }
    }

    function _channel(uint32 channel) internal view returns (Channel storage found) {
        found = _channels[channel];
        if (found.payer == address(0)) revert UnknownChannel(channel);
    }

    /// Slot of page 0 of a purse.
    function _base(uint256 purse) internal pure returns (uint256 base) {
        // _purses[purse], without the compiler's detour.
        assembly ("memory-safe") {
            mstore(0, purse)
            mstore(0x20, _purses.slot)
            base := keccak256(0, 0x40)
        }
    }

    /// Slot of page 0 of a channel's own purse.
    function _baseOf(uint32 channel, address payer) internal pure returns (uint256) {
        return _base(Lanes.key(payer, channel));
    }

    function _free(uint32 channel, address payer) internal view returns (uint256) {
        return (_purses[Lanes.key(payer, channel)][0] >> Lanes.FREE_SHIFT) & MASK48;
    }

    /// Takes tokens from the caller.
    function _receive(uint256 amount) internal {
        uint256 state = _readState();
        uint256 before = _heldOf(state);
        _writeState(_withHeld(state, before, amount));
        _collect(amount, before);
    }

    /// Takes tokens from the caller that the books have already. Afterwards the vault holds what it owes: a token that takes a
    /// fee is found out. `before`: what it owed before.
    function _collect(uint256 amount, uint256 before) internal {
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 above = token.balanceOf(address(this)) - before;
        if (above < amount) revert WrongAmountReceived(above, amount);
    }

    /// Sends tokens out. The books are already written when the token is called.
    function _send(address to, uint256 amount) internal {
        if (amount == 0) return;
        _state.held -= uint48(amount);
        token.safeTransfer(to, amount);
    }
}

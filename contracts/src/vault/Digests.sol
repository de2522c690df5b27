// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The EIP-712 structs of Sundial. The same digest is signed by chip, secure element, phone wallet and hub.
/// @dev Functions the vault doesn't call cost no code; they stand here so that one test can hold every struct to the
/// shared vectors.
library Digests {
    bytes32 internal constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant REQUEST_TYPEHASH =
        keccak256("Request(address terminal,uint48 amount,uint40 at,bytes32 detail)");
    bytes32 internal constant VOUCHER_TYPEHASH = keccak256(
        "Voucher(uint32 channel,uint32 seq,uint48 spent,address payee,uint48 paid,bytes16 lanes,bytes32 request)"
    );
    bytes32 internal constant STREAM_TYPEHASH = keccak256(
        "Stream(uint32 channel,uint32 seq,uint48 spent,address payee,uint48 paid,bytes32 request,bytes32 anchor,uint48 tickValue,uint16 ticks)"
    );
    bytes32 internal constant LEASE_TYPEHASH = keccak256(
        "Lease(uint32 channel,address payer,uint48 spentFrom,uint48 spendLimit,uint48 tapLimit,uint48 cap,uint48 guarantee,uint40 issuedAt,uint40 expiresAt,bytes32 scope)"
    );
    bytes32 internal constant TERMINAL_TYPEHASH =
        keccak256("Terminal(address terminal,address payee,uint40 expiresAt)");
    bytes32 internal constant SYNCED_TYPEHASH = keccak256("Synced(address terminal,uint40 at)");
    bytes32 internal constant MEMBER_TYPEHASH = keccak256("Member(bytes32 scope,address terminal,uint40 expiresAt)");
    bytes32 internal constant HUB_KEY_TYPEHASH =
        keccak256("HubKey(address key,uint40 from,uint40 until,uint32 epoch,uint40 signedAt)");
    bytes32 internal constant HUB_KEY_REVOKED_TYPEHASH = keccak256("HubKeyRevoked(address key,uint40 at)");
    bytes32 internal constant RECEIPT_TYPEHASH = keccak256("Receipt(bytes32 voucher)");
    bytes32 internal constant ACKNOWLEDGEMENT_TYPEHASH =
        keccak256("Acknowledgement(bytes32 entry,uint48 position,uint40 at)");
    bytes32 internal constant CREDIT_TYPEHASH = keccak256("Credit(bytes32 voucher,uint48 credited)");
    bytes32 internal constant RELEASED_TYPEHASH =
        keccak256("Released(uint32 channel,address payee,uint40 until)");
    bytes32 internal constant WITHDRAWAL_TYPEHASH = keccak256(
        "Withdrawal(uint32 payee,address to,uint48 amount,uint48 fee,uint32 nonce,uint40 deadline)"
    );
    bytes32 internal constant BEACON_TYPEHASH =
        keccak256("Beacon(uint40 at,uint48 height,bytes32 revocations,bytes32 checkpoint,bytes16 nonce)");

    /// @notice Separator of the domain {name "Sundial", version "1", this chain, the vault}.
    function separator(uint256 chainId, address vault) internal pure returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, keccak256("Sundial"), keccak256("1"), chainId, vault));
    }

    /// @notice What is signed: keccak256(0x1901, separator, struct hash).
    function digest(bytes32 domain, bytes32 structHash) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, shl(240, 0x1901))
            mstore(add(free, 0x02), domain)
            mstore(add(free, 0x22), structHash)
            result := keccak256(free, 0x42)
        }
    }

    /// @notice Struct hash of a request: what a terminal asked for.
    function request(address terminal, uint48 amount, uint40 at, bytes32 detail) internal pure returns (bytes32) {
        return keccak256(abi.encode(REQUEST_TYPEHASH, terminal, amount, at, detail));
    }

    /// @notice Struct hash of a voucher.
    function voucher(
        uint32 channel,
        uint32 seq,
        uint48 spent,
        address payee,
        uint48 paid,
        bytes16 lanes,
        bytes32 requestHash
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(VOUCHER_TYPEHASH, channel, seq, spent, payee, paid, lanes, requestHash));
    }

    /// @notice What a stream signs beside the fields it shares with a voucher.
    struct StreamTerms {
        bytes32 anchor;
        uint48 tickValue;
        uint16 ticks;
    }

    /// @notice Struct hash of a stream.
    function stream(
        uint32 channel,
        uint32 seq,
        uint48 spent,
        address payee,
        uint48 paid,
        bytes32 requestHash,
        StreamTerms memory terms
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                STREAM_TYPEHASH,
                channel,
                seq,
                spent,
                payee,
                paid,
                requestHash,
                terms.anchor,
                terms.tickValue,
                terms.ticks
            )
        );
    }

    /// @notice Struct hash of the root's certificate of a hot key.
    function hubKey(address key, uint40 from, uint40 until, uint32 epoch, uint40 signedAt)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(HUB_KEY_TYPEHASH, key, from, until, epoch, signedAt));
    }

    /// @notice Struct hash of the root's revocation of a hot key.
    function hubKeyRevoked(address key, uint40 at) internal pure returns (bytes32) {
        return keccak256(abi.encode(HUB_KEY_REVOKED_TYPEHASH, key, at));
    }

    /// @notice Struct hash of the hub's statement that an entry is durable.
    function acknowledgement(bytes32 entry, uint48 position, uint40 at) internal pure returns (bytes32) {
        return keccak256(abi.encode(ACKNOWLEDGEMENT_TYPEHASH, entry, position, at));
    }

    /// @notice What a lease signs beside channel, payer and scope.
    struct LeaseTerms {
        uint48 spentFrom;
        uint48 spendLimit;
        uint48 tapLimit;
        uint48 cap;
        uint48 guarantee;
        uint40 issuedAt;
        uint40 expiresAt;
    }

    /// @notice Struct hash of a lease.
    function lease(uint32 channel, address payer, LeaseTerms memory terms, bytes32 scope)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                LEASE_TYPEHASH,
                channel,
                payer,
                terms.spentFrom,
                terms.spendLimit,
                terms.tapLimit,
                terms.cap,
                terms.guarantee,
                terms.issuedAt,
                terms.expiresAt,
                scope
            )
        );
    }

    /// @notice Struct hash of a payee's statement that it holds nothing more under leases that ended until then.
    function released(uint32 channel, address payee, uint40 until) internal pure returns (bytes32) {
        return keccak256(abi.encode(RELEASED_TYPEHASH, channel, payee, until));
    }

    /// @notice Struct hash of a withdrawal that anybody may carry.
    function withdrawal(uint32 payee, address to, uint48 amount, uint48 fee, uint32 nonce, uint40 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(WITHDRAWAL_TYPEHASH, payee, to, amount, fee, nonce, deadline));
    }

    /// @notice Struct hash of a credit.
    function credit(bytes32 voucherDigest, uint48 credited) internal pure returns (bytes32) {
        return keccak256(abi.encode(CREDIT_TYPEHASH, voucherDigest, credited));
    }
}

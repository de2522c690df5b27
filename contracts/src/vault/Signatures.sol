// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The two signature schemes: secp256k1 (recovered) and P-256 (the key travels along).
library Signatures {
    /// Half the order of secp256k1. A signature with a larger s is refused everywhere in Sundial, so here too.
    uint256 internal constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice Signer of a 64-byte compact (EIP-2098) signature, or zero when there is none.
    /// @param digest what was signed
    /// @param r first half of the signature
    /// @param vs second half: s with the parity of the nonce's point in its top bit
    function recover(bytes32 digest, uint256 r, uint256 vs) internal view returns (address signer) {
        uint256 s = vs & (type(uint256).max >> 1);
        if (s > HALF_ORDER) return address(0);
        assembly ("memory-safe") {
            // The four words are scratch beyond the free pointer; nothing is allocated.
            let free := mload(0x40)
            mstore(free, digest)
            mstore(add(free, 0x20), add(shr(255, vs), 27))
            mstore(add(free, 0x40), r)
            mstore(add(free, 0x60), s)
            // The precompile writes nothing when it fails: the result word must hold zero before.
            mstore(0, 0)
            pop(staticcall(gas(), 1, free, 0x80, 0, 0x20))
            signer := mload(0)
        }
    }

    /// @notice Signer of a P-256 signature: the last 20 bytes of keccak256(x, y), or zero when it doesn't verify.
    /// @dev P256VERIFY at 0x100 answers one word holding 1, or nothing. Where the precompile is missing it also answers
    /// nothing, so such a chain skips P-256 rows instead of accepting them. Secure elements don't promise low-S, so
    /// none is asked: rows are told apart by digest, never by bytes.
    /// @param at calldata offset of r and s, 64 bytes
    /// @param keyAt calldata offset of x and y, 64 bytes
    function verifyP256(bytes32 digest, uint256 at, uint256 keyAt) internal view returns (address signer) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, digest)
            calldatacopy(add(free, 0x20), at, 0x40)
            calldatacopy(add(free, 0x60), keyAt, 0x40)
            mstore(0, 0)
            let called := staticcall(gas(), 0x100, free, 0xa0, 0, 0x20)
            if and(and(called, eq(returndatasize(), 0x20)), eq(mload(0), 1)) {
                signer := and(keccak256(add(free, 0x60), 0x40), 0xffffffffffffffffffffffffffffffffffffffff)
            }
        }
    }
}

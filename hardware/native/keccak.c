/*
 * keccak256 as Ethereum uses it: domain byte 0x01, not SHA-3's 0x06. The permutation is the Keccak team's for 32-bit
 * processors, whose sources come with the npm package `keccak`; it is included here as it comes.
 */
/* Cores without unaligned loads fault on input at an odd address: there it is copied first. */
#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__) || defined(__riscv) || defined(__XTENSA__)
#define NO_MISALIGNED_ACCESSES
#endif
#include "KeccakP-1600-inplace32BI.c"

#include "crypto.h"

enum { RATE = 136 }; /* bytes a block for 256 bits of security */

void keccak256(struct bytes message, uint8_t hash[32])
{
	uint64_t state[KeccakP1600_stateSizeInBytes / 8];
	KeccakP1600_Initialize(state);
	for (; message.size >= RATE; message.at += RATE, message.size -= RATE) {
		KeccakP1600_AddBytes(state, message.at, 0, RATE);
		KeccakP1600_Permute_24rounds(state);
	}
	KeccakP1600_AddBytes(state, message.at, 0, (unsigned int)message.size);
	KeccakP1600_AddByte(state, 0x01, (unsigned int)message.size);
	KeccakP1600_AddByte(state, 0x80, RATE - 1);
	KeccakP1600_Permute_24rounds(state);
	KeccakP1600_ExtractBytes(state, hash, 0, 32);
}

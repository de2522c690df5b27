/*
 * Every hash and signature of the images, with input and output at each of eight neighbouring addresses, on a core that
 * faults on unaligned loads and stores, as a Cortex-M0+ does. It prints a line each on the debugger's console; a fault
 * ends it by name.
 */
#include <string.h>
#include "crypto.h"

enum { WRITE0 = 0x04, EXIT = 0x18, STOPPED = 0x20026 };

static int host(int operation, const void *argument)
{
	register int r0 __asm__("r0") = operation;
	register const void *r1 __asm__("r1") = argument;
	__asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
	return r0;
}

void fault(const char *name)
{
	host(WRITE0, "fault: ");
	host(WRITE0, name);
	host(WRITE0, "\n");
	for (;;) host(EXIT, (const void *)STOPPED);
}

static void hard_fault(void) { fault("hard_fault"); }

static void print(const char *name, const uint8_t *bytes, size_t size)
{
	char text[160];
	size_t at = 0;
	while (*name) text[at++] = *name++;
	text[at++] = ' ';
	for (size_t i = 0; i < size; i++) {
		text[at++] = "0123456789abcdef"[bytes[i] >> 4];
		text[at++] = "0123456789abcdef"[bytes[i] & 15];
	}
	text[at++] = '\n';
	text[at] = 0;
	host(WRITE0, text);
}

enum { LONGEST = 300 };
static uint64_t input[(LONGEST + 8) / 8 + 1], output[10];

static struct bytes filled(unsigned int offset, size_t size)
{
	struct bytes bytes = { (uint8_t *)input + offset, size };
	for (size_t i = 0; i < size; i++) bytes.at[i] = (uint8_t)(i * 7 + size);
	return bytes;
}

static const size_t sizes[] = { 1, 32, 63, 64, 135, 136, 137, LONGEST };

static void run(void)
{
	/* UNALIGN_TRP of the core's configuration and control register. */
	*(volatile uint32_t *)0xe000ed14 |= 8;
	__asm__ volatile("dsb; isb");
	secp_start(NULL);
	for (unsigned int offset = 0; offset < 8; offset++) {
		uint8_t *out = (uint8_t *)output + offset;
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			keccak256(filled(offset, sizes[i]), out);
			print("keccak256", out, 32);
			sha256(filled(offset, sizes[i]), out);
			print("sha256", out, 32);
		}
		const uint8_t *secret = filled(offset, 32).at;
		if (!secp_address(secret, out)) fault("address");
		print("address", out, 20);
		if (!secp_sign(secret, secret, out)) fault("sign");
		print("sign", out, 64);
		memcpy(input, out, 64);
		memmove((uint8_t *)input + offset, input, 64);
		uint8_t digest[32], signer[21];
		for (size_t i = 0; i < 32; i++) digest[i] = (uint8_t)(i * 7 + 32);
		if (!secp_recover(digest, (uint8_t *)input + offset, signer + 1)) fault("recover");
		print("recover", signer + 1, 20);
	}
}

extern uint32_t stack_top[], data_start[], data_end[], data_from[], bss_start[], bss_end[];

static void reset(void)
{
	uint32_t *from = data_from;
	for (uint32_t *to = data_start; to < data_end;) *to++ = *from++;
	for (uint32_t *to = bss_start; to < bss_end;) *to++ = 0;
	run();
	host(WRITE0, "done\n");
	for (;;) host(EXIT, (const void *)STOPPED);
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
	stack_top, (const void *)reset, (const void *)hard_fault, (const void *)hard_fault,
};

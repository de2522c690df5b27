/* Starts the board, gives JavaScript its natives, and runs the image's byte code out of flash. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "../../native/crypto.h"
#include "../../native/machine.h"
#include "board.h"

extern char __heap_start[], __heap_end[], __arena_start[], __arena_end[], __stack_bottom[], __data_start[], __bss_end[];
extern const uint8_t archive[];
extern uint8_t __image_end[];
size_t stack_high_water(void);
void protect_flash(void);

/* newlib's malloc takes its memory here: XS keeps its tables and jump buffers in it. */
static char *heap = __heap_start;

void *_sbrk(ptrdiff_t size)
{
	if (size > __heap_end - heap) {
		errno = ENOMEM;
		return (void *)-1;
	}
	heap += size;
	return heap - size;
}

/* Date is not used by the device; XS's engine links it all the same. */
int _gettimeofday(struct timeval *now, void *zone)
{
	(void)zone;
	uint32_t ms = timer_milliseconds();
	now->tv_sec = (time_t)(ms / 1000);
	now->tv_usec = (suseconds_t)(ms % 1000 * 1000);
	return 0;
}

bool board_wait(bool alarm, uint32_t ms)
{
	uint32_t start = timer_milliseconds();
	fault_steady();
	for (;;) {
		watchdog_feed();
		if (CONTROL->restart) {
			CONTROL->restart = 0;
			board_restart();
		}
		uart_beat();
		if (uart_pending()) return true;
		uint32_t waited = timer_milliseconds() - start;
		if (alarm && waited >= ms) return true;
		timer_wake_after(alarm && ms - waited < BEAT_SLEEP_MS ? ms - waited : BEAT_SLEEP_MS);
		/* With interrupts masked one that comes in between still ends the sleep, and none is missed. */
		__asm volatile("cpsid i");
		if (!uart_pending()) __asm volatile("wfi");
		__asm volatile("cpsie i");
	}
}

static void native_uart_read(struct sxMachine *the)
{
	size_t size = 0;
	uint32_t port = argument_unsigned(the, 0);
	uint8_t *out = argument_bytes(the, 1, &size);
	return_number(the, port < PORT_COUNT ? (double)uart_read((int)port, out, size) : 0);
}

static void native_uart_write(struct sxMachine *the)
{
	size_t size = 0;
	uint32_t port = argument_unsigned(the, 0);
	const uint8_t *bytes = argument_bytes(the, 1, &size);
	return_number(the, port < PORT_COUNT ? (double)uart_write((int)port, bytes, size) : 0);
}

static void native_uart_lost(struct sxMachine *the)
{
	uint32_t port = argument_unsigned(the, 0);
	return_number(the, port < PORT_COUNT ? uart_lost((int)port) : 0);
}

static void native_flash_read(struct sxMachine *the)
{
	size_t size = 0;
	uint32_t offset = argument_unsigned(the, 0);
	uint8_t *out = argument_bytes(the, 1, &size);
	return_number(the, flash_read(offset, out, size));
}

static void native_flash_holds(struct sxMachine *the)
{
	size_t size = 0;
	uint32_t offset = argument_unsigned(the, 0);
	const uint8_t *bytes = argument_bytes(the, 1, &size);
	return_boolean(the, flash_holds(offset, bytes, size));
}

static void native_flash_write(struct sxMachine *the)
{
	size_t size = 0;
	uint32_t offset = argument_unsigned(the, 0);
	const uint8_t *bytes = argument_bytes(the, 1, &size);
	return_number(the, flash_write(offset, bytes, size));
}

static void native_flash_erase(struct sxMachine *the)
{
	return_number(the, flash_erase(argument_unsigned(the, 0)));
}

static void native_settings(struct sxMachine *the)
{
	size_t size = 0;
	uint8_t *out = argument_bytes(the, 0, &size);
	return_number(the, (double)settings_read(out, size));
}

static void native_rtc(struct sxMachine *the)
{
	return_number(the, rtc_seconds());
}

static void native_uart_peer(struct sxMachine *the)
{
	uint32_t port = argument_unsigned(the, 0);
	return_number(the, port < PORT_COUNT ? uart_peer((int)port) : 0);
}

static void native_key_address(struct sxMachine *the)
{
	memcpy(argument_bytes_of(the, 0, 20), key_address(), 20);
}

static void native_key_sign(struct sxMachine *the)
{
	uint8_t *signature = argument_bytes_of(the, 1, 64);
	return_boolean(the, key_sign(argument_bytes_of(the, 0, 32), signature));
}

static void native_ticks(struct sxMachine *the)
{
	return_number(the, (double)timer_ticks());
}

/* Bytes of RAM by use: 0 C stack, 1 data, 2 malloc, 3 arena, of which 4 chunks, 5 slots and 6 value stack; live: 7, 8. */
static void native_memory(struct sxMachine *the)
{
	struct machine_usage usage;
	machine_usage(&usage);
	size_t bytes[] = {
		stack_high_water(), (size_t)(__bss_end - __data_start), (size_t)(heap - __heap_start),
		usage.arena, usage.chunks, usage.slots, usage.stack, usage.live_chunks, usage.live_slots,
	};
	uint32_t use = argument_unsigned(the, 0);
	return_number(the, use < sizeof(bytes) / sizeof(bytes[0]) ? (double)bytes[use] : 0);
}

static void native_fault(struct sxMachine *the)
{
	fault(argument_string(the, 0));
}

static const struct native natives[] = {
	{ "uartRead", native_uart_read, 2 },
	{ "uartWrite", native_uart_write, 2 },
	{ "uartLost", native_uart_lost, 1 },
	{ "flashRead", native_flash_read, 2 },
	{ "flashHolds", native_flash_holds, 2 },
	{ "flashWrite", native_flash_write, 2 },
	{ "flashErase", native_flash_erase, 1 },
	{ "settings", native_settings, 1 },
	{ "rtc", native_rtc, 0 },
	{ "uartPeer", native_uart_peer, 1 },
	{ "keyAddress", native_key_address, 1 },
	{ "keySign", native_key_sign, 2 },
	{ "ticks", native_ticks, 0 },
	{ "memory", native_memory, 1 },
	{ "fault", native_fault, 1 },
};

static void print(const char *text)
{
	board_print(text, strlen(text));
}

/* The build runs an image once without its built-ins and takes them out of the file: see build.mjs. */
static void install(struct sxMachine *the)
{
	machine_install_own(the);
	machine_install(the, natives, sizeof(natives) / sizeof(natives[0]));
}

static _Noreturn void prelink_and_hand_over(void)
{
	uint32_t margin; /* the build tries some: each slot too many is 16 bytes of flash */
	memcpy(&margin, NV_BASE, 4);
	struct prelink_input input = { archive, install, (int)margin, PRELINK_PROGRAM };
	uart_start();
	timer_start();
	size_t size = prelink(__image_end, NV_BASE + 4 * 1024 * 1024, &input);
	memcpy(NV_BASE + 4, __image_end, size);
	memcpy(NV_BASE, &size, 4);
	print("prelinked\n");
	for (;;) watchdog_feed();
}

int main(void)
{
	uint8_t seed[32];
	struct sxMachine *root = prelinked_root(__image_end);
	if (!root) prelink_and_hand_over();
	protect_flash();
	uart_start();
	fault_start();
	timer_start();
	flash_start();
	print("sundial " IMAGE_NAME " on mps2-an386 (emulated)\n");
	if (!board_entropy_certified()) print("entropy: not certified, keys of this board are for development only\n");
	if (fault_before()) {
		print("restarted after fault: ");
		print(fault_before());
		print("\n");
	}
	bool blinded = board_random(seed, sizeof(seed));
	secp_start(blinded ? seed : NULL);
	key_start(blinded);

	struct machine_limits limits = {
		.arena = (uint8_t *)__arena_start,
		.arena_size = (size_t)(__arena_end - __arena_start),
		.c_stack_limit = __stack_bottom + 2048,
		.stack_slots = STACK_SLOTS,
		.keys = KEYS,
		.first_chunks = FIRST_CHUNKS,
		.first_slots = FIRST_SLOTS,
	};
	struct sxMachine *the = machine_create(&limits, root);
	if (!PRELINK_PROGRAM) {
		install(the);
		archive_run(the, archive);
	}
	machine_start(the);
	machine_loop(the);
	fault("loop_ended");
}

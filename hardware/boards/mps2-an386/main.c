/* Starts the board, gives JavaScript its natives, and runs the image's byte code out of flash. */
#include <string.h>

#include "board.h"

extern char __heap_start[], __heap_end[], __data_start[], __bss_end[], __stack_bottom[], __stack_top[];
extern uint8_t __arena_start[], __arena_end[], __image_end[];
extern const uint8_t archive[];

/* newlib's malloc takes its memory here: XS keeps its tables and jump buffers in it. */
static char *heap = __heap_start;

char *heap_continue_at(char *at)
{
	char *before = heap;
	heap = at;
	return before;
}

void *_sbrk(ptrdiff_t size)
{
	if (size > __heap_end - heap) return (void *)-1;
	heap += size;
	return heap - size;
}

bool board_wait(bool alarm, uint32_t ms)
{
	enum { SLEEP_MS = 100 }; /* the longest: the watchdog wants to be fed, and the launcher may want a restart */
	uint32_t start = board_milliseconds();
	fault_steady();
	for (;;) {
		watchdog_feed();
		if (CONTROL->restart) {
			CONTROL->restart = 0;
			board_restart();
		}
		uint32_t waited = board_milliseconds() - start;
		if (uart_pending() || (alarm && waited >= ms)) return true;
		timer_wake_after(alarm && ms - waited < SLEEP_MS ? ms - waited : SLEEP_MS);
		/* With interrupts masked one that comes in between still ends the sleep, and none is missed. */
		__asm volatile("cpsid i");
		if (!uart_pending()) __asm volatile("wfi");
		__asm volatile("cpsie i");
	}
}

uint8_t *const nor_part = NV_BASE;
volatile struct nor_faults *const nor_faults = &CONTROL->faults;

static void native_uart_read(struct sxMachine *the)
{
	return_number(the, (double)uart_read(argument_unsigned(the, 0), argument_bytes(the, 1)));
}

static void native_uart_write(struct sxMachine *the)
{
	struct bytes bytes = argument_bytes(the, 1);
	return_number(the, (double)uart_write(argument_unsigned(the, 0), bytes, argument_unsigned(the, 2)));
}

static void native_control(struct sxMachine *the)
{
	uint32_t word = argument_unsigned(the, 0);
	return_number(the, word < CONTROL_WORDS ? ((volatile uint32_t *)CONTROL)[word] : 0);
}

static void native_key_address(struct sxMachine *the)
{
	memcpy(argument_bytes_of(the, 0, 20), key_address(), 20);
}

static void native_key_sign(struct sxMachine *the)
{
	return_boolean(the, key_sign(argument_bytes_of(the, 0, 32), argument_bytes_of(the, 1, 64)));
}

static void native_ticks(struct sxMachine *the)
{
	return_number(the, timer_ticks());
}

/* Bytes of RAM by use, as natives.ts lists them. */
static void native_ram(struct sxMachine *the)
{
	char *deepest = __stack_bottom;
	while (deepest < __stack_top && *deepest == STACK_PAINT) deepest++;
	ptrdiff_t bytes[] = { __stack_top - deepest, __bss_end - __data_start, heap - __heap_start };
	uint32_t use = argument_unsigned(the, 0);
	return_number(the, use < sizeof(bytes) / sizeof(bytes[0]) ? (double)bytes[use] : 0);
}

static void native_fault(struct sxMachine *the)
{
	fault(argument_string(the, 0));
}

const struct native board_natives[] = {
	{ "uartRead", native_uart_read, 2 },
	{ "uartWrite", native_uart_write, 3 },
	{ "control", native_control, 1 },
	{ "keyAddress", native_key_address, 1 },
	{ "keySign", native_key_sign, 2 },
	{ "ticks", native_ticks, 0 },
	{ "ram", native_ram, 1 },
	{ "fault", native_fault, 1 },
	{ NULL, NULL, 0 },
};

/* Code, constants and the frozen machine are in flash: what tries to write there must fail here as on a chip. */
static void protect_flash(void)
{
	REGISTER(0xe000ed98) = 0;
	REGISTER(0xe000ed9c) = 0;
	REGISTER(0xe000eda0) = 6 << 24 | 1 << 17 | 21 << 1 | 1; /* read only, 4 MB */
	REGISTER(0xe000ed94) = 4 | 1; /* all else stays as it is */
	__asm volatile("dsb\n isb");
}

int main(void)
{
	uint8_t seed[32];
	struct sxMachine *root = prelinked_root(__image_end);
	uart_start();
	timer_start();
	if (!root) {
		prelink_function *prelink = (prelink_function *)(BUILD_ENTRY | 1); /* 1: Thumb code */
		prelink(__image_end, NV_BASE, archive, PRELINK_PROGRAM);
		board_print("prelinked\n");
		for (;;) __asm volatile("wfi");
	}
	protect_flash();
	board_print("sundial " IMAGE_NAME " on mps2-an386 (emulated)\n");
	if (!board_entropy_certified()) board_print("entropy: not certified, keys of this board are for development only\n");
	fault_start();
	watchdog_start();
	CONTROL->boots++;
	bool blinded = board_random((struct bytes){ seed, sizeof(seed) });
	secp_start(blinded ? seed : NULL);
	key_start(blinded);

	struct machine_limits limits = {
		.arena = __arena_start,
		.arena_size = (size_t)(__arena_end - __arena_start),
		.c_stack_limit = __stack_bottom + 2048,
		.stack_slots = STACK_SLOTS,
		.keys = KEYS,
		.first_chunks = FIRST_CHUNKS,
		.first_slots = FIRST_SLOTS,
	};
	struct sxMachine *the = machine_clone(&limits, root);
	if (!PRELINK_PROGRAM) {
		machine_install(the);
		archive_run(the, archive);
	}
	machine_start(the);
	machine_loop(the);
	fault("loop_ended");
}

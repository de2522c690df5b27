/* The first instructions: vectors, memory, and the handlers of the processor's own faults. */
#include <string.h>

#include "../../native/machine.h"
#include "board.h"

extern uint32_t __stack_bottom[], __stack_top[], __data_from[], __data_start[], __data_end[], __bss_start[], __bss_end[];
int main(void);
void uart_console_interrupt(void);
void uart_tap_interrupt(void);
void uart_uplink_interrupt(void);
void timer_wrap_interrupt(void);
void timer_wake_interrupt(void);

enum { PAINT = 0xa5a5a5a5 };

void reset_handler(void)
{
	/* Painted, so that the deepest use of the stack can be read off later. */
	uint32_t here;
	uint32_t *end = (uint32_t *)((uintptr_t)&here - 64); /* below this function's own frame */
	for (uint32_t *p = __stack_bottom; p < end; p++) *p = PAINT;
	for (uint32_t *to = __data_start, *from = __data_from; to < __data_end;) *to++ = *from++;
	for (uint32_t *p = __bss_start; p < __bss_end;) *p++ = 0;
	main();
	fault("main_returned");
}

/* Code, constants and the built-ins are in flash: what tries to write there must fail here as it would on a chip. */
void protect_flash(void)
{
	REGISTER(0xe000ed98) = 0;
	REGISTER(0xe000ed9c) = 0;
	REGISTER(0xe000eda0) = 6 << 24 | 1 << 17 | 21 << 1 | 1; /* read only, 4 MB */
	REGISTER(0xe000ed94) = 4 | 1; /* all else stays as it is */
	__asm volatile("dsb\n isb");
}

size_t stack_high_water(void)
{
	uint32_t *p = __stack_bottom;
	while (p < __stack_top && *p == PAINT) p++;
	return (size_t)((uint8_t *)__stack_top - (uint8_t *)p);
}

/* Where it happened, for whoever reads the console: the instruction, and the address it wanted. */
static void print_word(const char *label, uint32_t word)
{
	char text[10];
	for (int i = 0; i < 8; i++) text[i] = "0123456789abcdef"[word >> (28 - 4 * i) & 15];
	text[8] = '\n';
	board_print(label, strlen(label));
	board_print(text, 9);
}

/* The stack lies at the bottom of RAM: outgrowing it is a bus error, not somebody else's data. */
__attribute__((used)) static void processor_fault(uint32_t *frame)
{
	if (frame >= __stack_bottom && frame + 7 < __stack_top) print_word("at ", frame[6]);
	print_word("address ", REGISTER(0xe000ed34));
	fault("processor_fault");
}

/* The stack may be what broke, so it starts afresh. */
__attribute__((naked)) static void fault_handler(void)
{
	__asm volatile("mov r0, sp\n ldr sp, =__stack_top\n bl processor_fault\n");
}

/* The watchdog's first expiry; its second resets the board without asking. */
__attribute__((used)) static void watchdog_expired(void)
{
	fault("watchdog");
}

__attribute__((naked)) static void watchdog_handler(void)
{
	__asm volatile("ldr sp, =__stack_top\n bl watchdog_expired\n");
}

static void unexpected(void)
{
	fault("unexpected_interrupt");
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
	__stack_top, reset_handler, watchdog_handler, fault_handler, fault_handler, fault_handler, fault_handler,
	0, 0, 0, 0, unexpected, unexpected, 0, unexpected, unexpected,
	/* interrupts 0 to 9 */
	uart_console_interrupt, unexpected, uart_tap_interrupt, unexpected, uart_uplink_interrupt, unexpected,
	unexpected, unexpected, timer_wrap_interrupt, timer_wake_interrupt,
};

/*
 * setjmp for XS's interpreter (native/run.c) under a name that the compiler does not know: a function that
 * calls setjmp by its name keeps none of its variables in registers, and the interpreter's are its whole speed. It
 * may do without: after a jump it takes all of them from the machine, which never changes, before it goes on.
 */
__attribute__((naked)) int catch_point(void);
__attribute__((naked)) int catch_point(void)
{
	__asm volatile("b setjmp");
}

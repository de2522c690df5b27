/* The first instructions: vectors, memory, and the handlers of the processor's own faults. */
#include "board.h"

extern uint32_t __stack_bottom[], __stack_top[], __data_from[], __data_start[], __data_end[], __bss_start[], __bss_end[];
int main(void);
void uart_interrupt(void);
void timer_wake_interrupt(void);

void reset_handler(void)
{
	/* Painted, so that the deepest use of the stack can be read off later. */
	uint8_t *end = (uint8_t *)__builtin_frame_address(0) - 64; /* below this function's own frame */
	for (uint8_t *p = (uint8_t *)__stack_bottom; p < end; p++) *p = STACK_PAINT;
	for (uint32_t *to = __data_start, *from = __data_from; to < __data_end;) *to++ = *from++;
	for (uint32_t *p = __bss_start; p < __bss_end;) *p++ = 0;
	main();
	fault("main_returned");
}

/* Where it happened, for whoever reads the console: the instruction, and the address it wanted. */
static void print_word(const char *label, uint32_t word)
{
	char text[] = "00000000\n";
	for (int i = 7; i >= 0; i--, word >>= 4) text[i] = "0123456789abcdef"[word & 15];
	board_print(label);
	board_print(text);
}

/* The stack lies at the bottom of RAM: outgrowing it is a bus error, not somebody else's data. */
__attribute__((used)) static void processor_fault(const uint32_t *frame)
{
	if (frame >= __stack_bottom && frame + 7 < __stack_top) print_word("at ", frame[6]);
	print_word("address ", REGISTER(0xe000ed34));
	fault("processor_fault");
}

/* The watchdog's first expiry; its second resets the board without asking. */
__attribute__((used)) static void watchdog_expired(void)
{
	fault("watchdog");
}

/* The stack may be what broke, so it starts afresh. */
#define ON_FRESH_STACK(name, handler) \
	__attribute__((naked)) static void name(void) \
	{ \
		__asm volatile("mov r0, sp\n ldr sp, =__stack_top\n bl " handler "\n"); \
	}
ON_FRESH_STACK(on_fault, "processor_fault")
ON_FRESH_STACK(on_watchdog, "watchdog_expired")

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
	__stack_top, reset_handler, on_watchdog, on_fault, on_fault, on_fault, on_fault,
	0, 0, 0, 0, on_fault, on_fault, 0, on_fault, on_fault,
	/* interrupts 0 to 9 */
	uart_interrupt, on_fault, uart_interrupt, on_fault, uart_interrupt, on_fault,
	on_fault, on_fault, on_fault, timer_wake_interrupt,
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

/* Time since power-up, the alarm that ends a sleep, and the watchdog. */
#include "board.h"

enum { TICKS_PER_MS = 25000 };
/* WATCHDOG_MS comes from the build: some ten times what the profile's longest event takes on a slow host. */
enum { CONTROL_REGISTER = 0x0, VALUE = 0x4, RELOAD = 0x8, INTERRUPT = 0xc, LOCK = 0xc00 };
enum { FREE_RUNNING = 0x40000000, WAKE = 0x40001000, WATCHDOG = 0x40008000 };
enum { MILLISECONDS = 0x40028018, PRESCALE = 0x4002801c }; /* a counter of the board's own */

void timer_wake_interrupt(void);
void timer_wake_interrupt(void)
{
	REGISTER(WAKE + CONTROL_REGISTER) = 0;
	REGISTER(WAKE + INTERRUPT) = 1;
}

void timer_start(void)
{
	REGISTER(PRESCALE) = TICKS_PER_MS - 1;
	REGISTER(FREE_RUNNING + RELOAD) = 0xffffffff;
	REGISTER(FREE_RUNNING + VALUE) = 0xffffffff;
	REGISTER(FREE_RUNNING + CONTROL_REGISTER) = 1;
	REGISTER(0xe000e100) = 1 << 9; /* the wake timer's interrupt */
}

void watchdog_start(void)
{
	REGISTER(WATCHDOG + LOCK) = 0x1acce551;
	REGISTER(WATCHDOG + 0x0) = WATCHDOG_MS * TICKS_PER_MS;
	REGISTER(WATCHDOG + 0x8) = 1 | 2; /* interrupt, then reset */
	watchdog_feed();
}

uint32_t timer_ticks(void)
{
	return ~REGISTER(FREE_RUNNING + VALUE);
}

uint32_t board_milliseconds(void)
{
	return REGISTER(MILLISECONDS);
}

void timer_wake_after(uint32_t ms)
{
	REGISTER(WAKE + CONTROL_REGISTER) = 0;
	REGISTER(WAKE + VALUE) = ms * TICKS_PER_MS + 1;
	REGISTER(WAKE + RELOAD) = ms * TICKS_PER_MS + 1;
	REGISTER(WAKE + CONTROL_REGISTER) = 1 | 8;
}

void watchdog_feed(void)
{
	REGISTER(WATCHDOG + 0xc) = 1; /* clears the interrupt and reloads the counter */
}

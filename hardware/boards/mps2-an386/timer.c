/* Time since power-up, the alarm that ends a sleep, and the watchdog. */
#include "../../native/machine.h"
#include "board.h"

enum { TICKS_PER_MS = 25000 };
/* WATCHDOG_MS comes from the build: some ten times what the profile's longest event takes on a slow host. */
enum { CONTROL_REGISTER = 0x0, VALUE = 0x4, RELOAD = 0x8, INTERRUPT = 0xc };
enum { FREE_RUNNING = 0x40000000, WAKE = 0x40001000, WATCHDOG = 0x40008000 };

static volatile uint32_t wraps;

void timer_wrap_interrupt(void)
{
	REGISTER(FREE_RUNNING + INTERRUPT) = 1;
	wraps++;
}

void timer_wake_interrupt(void)
{
	REGISTER(WAKE + CONTROL_REGISTER) = 0;
	REGISTER(WAKE + INTERRUPT) = 1;
}

void timer_start(void)
{
	REGISTER(FREE_RUNNING + VALUE) = 0xffffffff;
	REGISTER(FREE_RUNNING + RELOAD) = 0xffffffff;
	REGISTER(FREE_RUNNING + CONTROL_REGISTER) = 1 | 8;
	REGISTER(0xe000e100) = 1 << 8 | 1 << 9;
	REGISTER(WATCHDOG + 0xc00) = 0x1acce551;
	REGISTER(WATCHDOG + 0x0) = WATCHDOG_MS * TICKS_PER_MS;
	REGISTER(WATCHDOG + 0x8) = 1 | 2; /* interrupt, then reset */
	watchdog_feed();
}

uint64_t timer_ticks(void)
{
	uint32_t high, low;
	do {
		high = wraps;
		low = ~REGISTER(FREE_RUNNING + VALUE);
	} while (high != wraps);
	return (uint64_t)high << 32 | low;
}

uint32_t timer_milliseconds(void)
{
	return (uint32_t)(timer_ticks() / TICKS_PER_MS);
}

uint32_t board_milliseconds(void)
{
	return timer_milliseconds();
}

uint32_t rtc_seconds(void)
{
	uint32_t began = CONTROL->rtc;
	return began == 0 ? 0 : began + timer_milliseconds() / 1000;
}

void rtc_keep(void)
{
	CONTROL->rtc = rtc_seconds();
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

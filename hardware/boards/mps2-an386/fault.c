/*
 * A fault has a name, prints it, and restarts the board: everything that matters is in flash, and a restart is the
 * one path that every payment is tested through. A board that faults again and again before it serves stops instead.
 */
#include <string.h>

#include "board.h"

enum { MAGIC = 0x544c4146, FAULTS_MAX = 8, NAME_MAX = 32 };

/* Survives a reset, but not the power: the start-up code leaves it alone. */
static struct {
	uint32_t magic, in_a_row;
	char name[NAME_MAX];
} record __attribute__((section(".noinit")));

static _Noreturn void reset(void)
{
	if (CONTROL->rtc) CONTROL->rtc += board_milliseconds() / 1000; /* the timers start at 0 again */
	__asm volatile("dsb");
	REGISTER(0xe000ed0c) = 0x05fa0004; /* system reset request */
	for (;;) __asm volatile("dsb");
}

static void say(const char *what, const char *name)
{
	board_print(what);
	board_print(name);
	board_print("\n");
}

_Noreturn void fault(const char *name)
{
	__asm volatile("cpsid i");
	record.in_a_row++;
	strncpy(record.name, name, NAME_MAX - 1);
	say("fault: ", name);
	reset();
}

_Noreturn void board_restart(void)
{
	memset(&record, 0, sizeof(record));
	reset();
}

void fault_start(void)
{
	if (record.magic != MAGIC) memset(&record, 0, sizeof(record));
	record.magic = MAGIC;
	if (!record.name[0]) return;
	bool halts = record.in_a_row >= FAULTS_MAX;
	say(halts ? "halted: " : "restarted after fault: ", record.name);
	record.name[0] = 0;
	/* The watchdog is not running yet: only the power ends this. */
	while (halts) __asm volatile("wfi");
}

void fault_steady(void)
{
	record.in_a_row = 0;
}

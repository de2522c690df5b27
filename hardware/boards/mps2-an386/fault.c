/*
 * A fault has a name, prints it, and restarts the board: everything that matters is in flash, and a restart is the
 * one path that every payment is tested through. A board that faults again and again before it serves stops instead.
 */
#include <string.h>

#include "../../native/machine.h"
#include "board.h"

enum { MAGIC = 0x544c4146, FAULTS_MAX = 8, NAME_MAX = 32 };

/* Survives a reset, but not the power: the start-up code leaves it alone. */
static struct {
	uint32_t magic;
	uint32_t in_a_row;
	char name[NAME_MAX];
} record __attribute__((section(".noinit")));

static char before[NAME_MAX];

static void print(const char *text)
{
	board_print(text, strlen(text));
}

static _Noreturn void reset(void)
{
	rtc_keep();
	__asm volatile("dsb");
	REGISTER(0xe000ed0c) = 0x05fa0004; /* system reset request */
	for (;;) __asm volatile("dsb");
}

_Noreturn void fault(const char *name)
{
	__asm volatile("cpsid i");
	record.in_a_row++;
	strncpy(record.name, name, NAME_MAX - 1);
	print("fault: ");
	print(name);
	print("\n");
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
	memcpy(before, record.name, NAME_MAX - 1);
	memset(record.name, 0, NAME_MAX);
	if (record.in_a_row < FAULTS_MAX) return;
	print("halted: ");
	print(before);
	print("\n");
	/* The watchdog is not running yet: only the power ends this. */
	for (;;) __asm volatile("wfi");
}

const char *fault_before(void)
{
	return before[0] ? before : NULL;
}

void fault_steady(void)
{
	record.in_a_row = 0;
}

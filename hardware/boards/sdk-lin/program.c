/*
 * The program around the SDK's XS on Linux: it makes the machine, hands `main` to it, and runs glib's loop, which the
 * SDK's timers, sockets and serial ports hang in. And what a Linux process has beside: arguments, files, NOR flash in
 * a file.
 */
#include "xs.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define sxMachine xsMachineRecord /* as xs.h calls it outside of the engine */
#include "machine.h"
#include "../sdk/natives.h"

#define TEXT_MAX (16 * 1024)
#define PATH_MAX_OURS 1024
#define FLASH_BLOCK 4096

extern void *xsPreparationAndCreation(xsCreation **creation);

static int arguments_count;
static char **arguments;
static char lock_path[PATH_MAX_OURS];
static int flash = -1;
static size_t flash_size;

static void remove_lock(void)
{
	if (lock_path[0]) unlink(lock_path);
}

static void linux_arguments(xsMachine *the)
{
	char joined[PATH_MAX_OURS * 4] = "";
	for (int i = 1; i < arguments_count; i++) {
		if (strlen(joined) + strlen(arguments[i]) + 2 > sizeof(joined)) fault("arguments_too_long");
		strcat(strcat(joined, arguments[i]), "\n");
	}
	xsResult = xsString(joined);
}

static void linux_read_text(xsMachine *the)
{
	static char text[TEXT_MAX + 1];
	FILE *file = fopen(argument_string(the, 0), "r");
	if (!file) return;
	size_t size = fread(text, 1, sizeof(text), file);
	bool whole = size <= TEXT_MAX && !ferror(file);
	fclose(file);
	if (!whole) return;
	text[size] = 0;
	xsResult = xsString(text);
}

/* When a process started, field 22 of its stat, so that a reused process id is not taken for the one that locked. */
static bool start_of(long process, char start[32])
{
	char path[64], line[1024];
	snprintf(path, sizeof(path), "/proc/%ld/stat", process);
	FILE *file = fopen(path, "r");
	if (!file) return false;
	char *read = fgets(line, sizeof(line), file);
	fclose(file);
	char *at = read ? strrchr(line, ')') : NULL;
	/* After the name comes field 3. */
	for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
	return at && sscanf(at, " %31s", start) == 1;
}

static void linux_lock(xsMachine *the)
{
	char start[32] = "", theirs[64] = "", mine[64];
	snprintf(lock_path, sizeof(lock_path), "%s/lock", argument_string(the, 0));
	start_of(getpid(), start);
	snprintf(mine, sizeof(mine), "%d %s", (int)getpid(), start);
	int file = open(lock_path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (file < 0 && errno == EEXIST) {
		long process = 0;
		char theirStart[32] = "";
		FILE *held = fopen(lock_path, "r");
		if (held && fgets(theirs, sizeof(theirs), held)) sscanf(theirs, "%ld %31s", &process, theirStart);
		if (held) fclose(held);
		if (process > 0 && start_of(process, start) && strcmp(start, theirStart) == 0) {
			lock_path[0] = 0;
			return return_number(the, (double)process);
		}
		file = open(lock_path, O_WRONLY | O_TRUNC);
	}
	bool written = file >= 0 && write(file, mine, strlen(mine)) == (ssize_t)strlen(mine);
	if (file >= 0) close(file);
	if (!written) lock_path[0] = 0;
	else atexit(remove_lock);
	return_number(the, written ? 0 : -1);
}

static bool flash_fill(size_t offset, size_t size)
{
	uint8_t erased[FLASH_BLOCK];
	memset(erased, 0xff, sizeof(erased));
	for (; size > 0; size -= FLASH_BLOCK, offset += FLASH_BLOCK)
		if (pwrite(flash, erased, FLASH_BLOCK, (off_t)offset) != FLASH_BLOCK) return false;
	return fdatasync(flash) == 0;
}

static void linux_flash_open(xsMachine *the)
{
	struct stat status;
	flash_size = argument_unsigned(the, 1);
	flash = open(argument_string(the, 0), O_RDWR | O_CREAT, 0600);
	bool opened = flash >= 0 && flash_size % FLASH_BLOCK == 0 && fstat(flash, &status) == 0;
	if (opened && status.st_size == 0) opened = flash_fill(0, flash_size);
	else opened = opened && (size_t)status.st_size == flash_size;
	return_boolean(the, opened);
}

static bool within(size_t offset, size_t size)
{
	return offset <= flash_size && size <= flash_size - offset;
}

static void linux_flash_read(xsMachine *the)
{
	size_t offset = argument_unsigned(the, 0);
	struct bytes out = argument_bytes(the, 1);
	return_boolean(the, within(offset, out.size) && pread(flash, out.at, out.size, (off_t)offset) == (ssize_t)out.size);
}

static void linux_flash_write(xsMachine *the)
{
	uint8_t before[FLASH_BLOCK];
	size_t offset = argument_unsigned(the, 0);
	struct bytes bytes = argument_bytes(the, 1);
	bool sound = within(offset, bytes.size) && bytes.size <= sizeof(before);
	sound = sound && pread(flash, before, bytes.size, (off_t)offset) == (ssize_t)bytes.size;
	for (size_t i = 0; sound && i < bytes.size; i++) sound = (before[i] & bytes.at[i]) == bytes.at[i];
	sound = sound && pwrite(flash, bytes.at, bytes.size, (off_t)offset) == (ssize_t)bytes.size;
	return_boolean(the, sound && fdatasync(flash) == 0);
}

static void linux_flash_erase(xsMachine *the)
{
	size_t offset = argument_unsigned(the, 0), size = argument_unsigned(the, 1);
	bool whole = offset % FLASH_BLOCK == 0 && size % FLASH_BLOCK == 0;
	return_boolean(the, whole && within(offset, size) && flash_fill(offset, size));
}

static void linux_exit(xsMachine *the)
{
	exit((int)argument_unsigned(the, 0));
}

static const struct native linux_natives[] = {
	{ "arguments", linux_arguments, 0 },
	{ "readText", linux_read_text, 1 },
	{ "lock", linux_lock, 1 },
	{ "flashOpen", linux_flash_open, 2 },
	{ "flashRead", linux_flash_read, 2 },
	{ "flashWrite", linux_flash_write, 2 },
	{ "flashErase", linux_flash_erase, 2 },
	{ "exit", linux_exit, 1 },
	{ NULL, NULL, 0 },
};

void xs_sundial_linux(xsMachine *the)
{
	natives_install(the, linux_natives);
}

/* XS calls it when it can't go on; the names are those of the other boards. */
void fxAbort(xsMachine *the, int status)
{
	(void)the;
	switch (status) {
	case xsJavaScriptStackOverflowExit:
	case xsNativeStackOverflowExit: fault("stack_overflow");
	case xsNotEnoughMemoryExit: fault("memory_full");
	case xsNoMoreKeysExit: fault("keys_full");
	case xsUnhandledExceptionExit: fault("unhandled_exception");
	case xsUnhandledRejectionExit: fault("unhandled_rejection");
	default: fault("engine_abort");
	}
}

static gboolean stop(void *loop)
{
	g_main_loop_quit(loop);
	return G_SOURCE_REMOVE;
}

int main(int argc, char **argv)
{
	xsCreation *creation = NULL;
	void *preparation = xsPreparationAndCreation(&creation);
	GMainLoop *loop = g_main_loop_new(NULL, FALSE);
	arguments_count = argc;
	arguments = argv;
	g_unix_signal_add(SIGINT, stop, loop);
	g_unix_signal_add(SIGTERM, stop, loop);
	xsMachine *machine = xsPrepareMachine(creation, preparation, "sundial", NULL, NULL);
	xsBeginHost(machine);
	{
		xsVars(1);
		xsTry {
			xsVar(0) = xsAwaitImport("main", XS_IMPORT_DEFAULT);
			xsCallFunction0(xsVar(0), xsGlobal);
		}
		xsCatch {
			printf("fault: %s\n", xsToString(xsException));
			exit(70);
		}
	}
	xsEndHost(machine);
	g_main_loop_run(loop);
	return 0;
}

/*
 * Runs a bundle on XS in a Linux process, with memory limits like a chip's, or compiles one for a chip:
 *
 *   xs-host [--ram KIB] BUNDLE          run it; the exit code is what it passed to natives.exit, 70 after a fault
 *           [--flash FILE]              with flash in a file and stdin: until stdin ends
 *   xs-host --archive FILE BUNDLE       write the byte code that a chip runs from flash
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "../../native/archive_make.h"
#include "../../native/machine.h"
#include "flash.h"

/* Pointers of this process are twice as wide as a chip's, and so is every slot: the arena is doubled to match. */
#define WIDER 2
/* The parser recurses in C, once a level of nesting; chips don't parse. */
#define C_STACK (4 * 1024 * 1024)

static bool takes_stdin;

_Noreturn void fault(const char *name)
{
	fflush(stdout);
	fprintf(stderr, "fault: %s\n", name);
	exit(70);
}

void board_print(const char *text)
{
	fputs(text, stdout);
}

static uint64_t milliseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint32_t board_milliseconds(void)
{
	return (uint32_t)milliseconds();
}

bool board_entropy_certified(void)
{
	return true;
}

bool board_random(struct bytes out)
{
	return getrandom(out.at, out.size, 0) == (ssize_t)out.size;
}

bool board_wait(bool alarm, uint32_t ms)
{
	struct pollfd input = { .fd = takes_stdin ? STDIN_FILENO : -1, .events = POLLIN };
	if (!alarm && !takes_stdin) return false; /* no alarm and no other source of events: the program is over */
	fflush(stdout);
	poll(&input, 1, alarm ? (int)ms : -1);
	return true;
}

/* Nobody writes to stdin any more: so ends a program that serves it. */
static void native_stdin(struct sxMachine *the)
{
	struct bytes out = argument_bytes(the, 0);
	ssize_t count = read(STDIN_FILENO, out.at, out.size);
	if (count <= 0) exit(0);
	return_number(the, (double)count);
}

static void native_exit(struct sxMachine *the)
{
	exit((int)argument_unsigned(the, 0) & 0xff);
}

const struct native board_natives[] = {
	{ "exit", native_exit, 1 },
	{ "stdin", native_stdin, 1 },
	{ NULL, NULL, 0 },
};

static char *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	if (!file) return NULL;
	fseek(file, 0, SEEK_END);
	*size = (size_t)ftell(file);
	rewind(file);
	char *text = malloc(*size + 1);
	if (text && fread(text, 1, *size, file) != *size) text = NULL;
	if (text) text[*size] = 0;
	fclose(file);
	return text;
}

int main(int count, char **arguments)
{
	size_t ram = 192; /* KiB, the budget of the firmware */
	const char *archive = NULL, *bundle = NULL, *flash = NULL;
	for (int i = 1; i < count; i++) {
		if (!strcmp(arguments[i], "--ram") && i + 1 < count) ram = strtoul(arguments[++i], NULL, 10);
		else if (!strcmp(arguments[i], "--archive") && i + 1 < count) archive = arguments[++i];
		else if (!strcmp(arguments[i], "--flash") && i + 1 < count) flash = arguments[++i];
		else bundle = arguments[i];
	}
	size_t size = 0;
	char *source = bundle ? read_file(bundle, &size) : NULL;
	if (!source || ram < 64) {
		fprintf(stderr, "usage: xs-host [--ram KIB >= 64] [--archive FILE] [--flash FILE] BUNDLE\n");
		return 2;
	}
	if (flash && !flash_open(flash)) {
		fprintf(stderr, "xs-host: %s is no flash\n", flash);
		return 1;
	}
	takes_stdin = flash != NULL;
	struct machine_limits limits = {
		.arena_size = ram * 1024 * WIDER,
		.c_stack_limit = (char *)((uintptr_t)__builtin_frame_address(0) - C_STACK),
		/* A chip's image needs 768; a test bundle's top level is one function with thousands of bindings. */
		.stack_slots = 6144,
		.keys = 4096,
		.first_chunks = 32 * 1024,
		.first_slots = 2048,
	};
	limits.arena_size += (size_t)limits.stack_slots * 32; /* so that the stack is not counted */
	limits.arena = malloc(limits.arena_size);
	if (!limits.arena) return 71;
	struct sxMachine *the = machine_create(&limits);

	if (archive) {
		FILE *out = fopen(archive, "wb");
		bool written = out && archive_write(the, source, size, out);
		if (!out || fclose(out) != 0 || !written) {
			fprintf(stderr, "xs-host: %s does not parse, or %s can't be written\n", bundle, archive);
			return 1;
		}
		return 0;
	}
	uint8_t seed[32];
	secp_start(board_random((struct bytes){ seed, sizeof(seed) }) ? seed : NULL);
	machine_install(the);
	if (!run_program(the, source, size)) {
		fprintf(stderr, "xs-host: %s does not parse\n", bundle);
		return 1;
	}
#if mxStress
	extern int gxStress; /* of xsMemory.c */
	gxStress = 1;
#endif
	machine_loop(the);
	return 0;
}

/*
 * The part of native/nor.c, in a file of the same format as the emulated board's, so that the same tools read both. It is
 * mapped, so what was written outlives a process that is killed.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../native/machine.h"
#include "../../native/nor.h"
#include "flash.h"

static uint8_t *part;

bool flash_open(const char *path)
{
	struct stat found;
	int file = open(path, O_RDWR);
	if (file < 0 || fstat(file, &found) != 0 || found.st_size < NOR_BLOCKS * NOR_BLOCK) return false;
	void *mapped = mmap(NULL, NOR_BLOCKS * NOR_BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (mapped == MAP_FAILED) return false;
	part = mapped;
	return true;
}

uint8_t *nor_part(void)
{
	if (!part) fault("no_flash");
	return part;
}

volatile struct nor_faults *nor_faults(void)
{
	static struct nor_faults none;
	return &none;
}

/* Only an injected power cut asks for it. */
_Noreturn void board_restart(void)
{
	fault("restart");
}

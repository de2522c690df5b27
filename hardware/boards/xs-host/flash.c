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

/* Memory of no file until one is mapped over it. */
static uint8_t part[NOR_BLOCKS * NOR_BLOCK] __attribute__((aligned(NOR_BLOCK)));
static struct nor_faults none;
uint8_t *const nor_part = part;
volatile struct nor_faults *const nor_faults = &none;

bool flash_open(const char *path)
{
	struct stat found;
	int file = open(path, O_RDWR);
	if (file < 0 || fstat(file, &found) != 0 || found.st_size < NOR_BLOCKS * NOR_BLOCK) return false;
	void *mapped = mmap(part, sizeof(part), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
	close(file);
	return mapped == part;
}

/* Only an injected power cut asks for it. */
_Noreturn void board_restart(void)
{
	fault("restart");
}

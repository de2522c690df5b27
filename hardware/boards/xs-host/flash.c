/*
 * NOR flash in a file, with the geometry of the emulated board's: erased bytes are 0xff, writing only clears bits,
 * erasing sets a block. Like that one's, the file holds the complement, so that a new, sparse file is erased flash and
 * the same tools read both. It is mapped, so what was written outlives a process that is killed.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../native/machine.h"
#include "flash.h"

/* As in the emulated board's board.h, whose names natives.ts gives to these results. */
enum { FLASH_BLOCK = 4096, FLASH_WORD = 4, FLASH_BLOCKS = 64 };
enum { FLASH_OK, FLASH_RANGE, FLASH_BIT_SET };

static uint8_t *part;

bool flash_open(const char *path)
{
	struct stat found;
	int file = open(path, O_RDWR);
	if (file < 0 || fstat(file, &found) != 0 || found.st_size < FLASH_BLOCKS * FLASH_BLOCK) return false;
	void *mapped = mmap(NULL, FLASH_BLOCKS * FLASH_BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (mapped == MAP_FAILED) return false;
	part = mapped;
	return true;
}

static bool inside(uint32_t offset, size_t size)
{
	return part && offset <= FLASH_BLOCKS * FLASH_BLOCK && size <= FLASH_BLOCKS * FLASH_BLOCK - offset;
}

static void native_flash_read(struct sxMachine *the)
{
	size_t size = 0;
	uint32_t offset = argument_unsigned(the, 0);
	uint8_t *out = argument_bytes(the, 1, &size);
	if (!inside(offset, size)) return return_number(the, FLASH_RANGE);
	for (size_t i = 0; i < size; i++) out[i] = (uint8_t)~part[offset + i];
	return_number(the, FLASH_OK);
}

static void native_flash_holds(struct sxMachine *the)
{
	size_t size = 0;
	uint32_t offset = argument_unsigned(the, 0);
	const uint8_t *bytes = argument_bytes(the, 1, &size);
	bool same = inside(offset, size);
	for (size_t i = 0; same && i < size; i++) same = (bytes[i] ^ part[offset + i]) == 0xff;
	return_boolean(the, same);
}

static void native_flash_write(struct sxMachine *the)
{
	size_t size = 0;
	uint32_t offset = argument_unsigned(the, 0);
	const uint8_t *bytes = argument_bytes(the, 1, &size);
	if (!inside(offset, size) || offset % FLASH_WORD || size % FLASH_WORD) return return_number(the, FLASH_RANGE);
	for (size_t i = 0; i < size; i++)
		if (bytes[i] & part[offset + i]) return return_number(the, FLASH_BIT_SET);
	for (size_t i = 0; i < size; i++) part[offset + i] = (uint8_t)~bytes[i];
	return_number(the, FLASH_OK);
}

static void native_flash_erase(struct sxMachine *the)
{
	uint32_t offset = argument_unsigned(the, 0);
	if (!inside(offset, FLASH_BLOCK) || offset % FLASH_BLOCK) return return_number(the, FLASH_RANGE);
	memset(part + offset, 0, FLASH_BLOCK);
	return_number(the, FLASH_OK);
}

const struct native flash_natives[] = {
	{ "flashRead", native_flash_read, 2 },
	{ "flashHolds", native_flash_holds, 2 },
	{ "flashWrite", native_flash_write, 2 },
	{ "flashErase", native_flash_erase, 1 },
};
const size_t flash_natives_count = sizeof(flash_natives) / sizeof(flash_natives[0]);

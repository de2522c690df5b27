/*
 * NOR flash behind its natives: erased bytes are 0xff, writing only clears bits, erasing sets a block. A power cut tears
 * the word or the block that it meets.
 */
#include <string.h>

#include "machine.h"
#include "nor.h"

/* As natives.ts names them. */
enum { FLASH_OK, FLASH_RANGE, FLASH_BIT_SET, FLASH_WORN };

/* The bytes at the offset that is the first argument; NULL when these are not all inside of the part. */
static uint8_t *part_at(struct sxMachine *the, size_t size)
{
	uint32_t offset = argument_unsigned(the, 0);
	return offset <= NOR_BLOCKS * NOR_BLOCK && size <= NOR_BLOCKS * NOR_BLOCK - offset ? nor_part + offset : NULL;
}

/* Counts one write; true when the power fails during it. */
static bool cut_now(void)
{
	nor_faults->writes++;
	if (nor_faults->cut_after == 0 || --nor_faults->cut_after > 0) return false;
	nor_faults->cuts++;
	return true;
}

static void native_flash_read(struct sxMachine *the)
{
	struct bytes out = argument_bytes(the, 1);
	const uint8_t *from = part_at(the, out.size);
	if (from) memcpy(out.at, from, out.size);
	return_number(the, from ? FLASH_OK : FLASH_RANGE);
}

static void native_flash_holds(struct sxMachine *the)
{
	struct bytes bytes = argument_bytes(the, 1);
	const uint8_t *from = part_at(the, bytes.size);
	return_boolean(the, from && memcmp(from, bytes.at, bytes.size) == 0);
}

static void native_flash_write(struct sxMachine *the)
{
	struct bytes bytes = argument_bytes(the, 1);
	uint8_t *to = part_at(the, bytes.size);
	if (!to || (size_t)(to - nor_part) % NOR_WORD || bytes.size % NOR_WORD) return return_number(the, FLASH_RANGE);
	for (size_t i = 0; i < bytes.size; i += NOR_WORD) {
		uint32_t stored, wanted;
		memcpy(&stored, to + i, NOR_WORD);
		memcpy(&wanted, bytes.at + i, NOR_WORD);
		if (wanted & ~stored) return return_number(the, FLASH_BIT_SET);
		bool cut = cut_now();
		/* A torn word has some of its bits cleared: here, those of its upper half. */
		if (cut) wanted |= stored & 0x0000ffff;
		memcpy(to + i, &wanted, NOR_WORD);
		if (cut) board_restart();
		/* Read back, as flash.ts promises: the part may have refused without a word. */
		if (memcmp(to + i, &wanted, NOR_WORD) != 0) return return_number(the, FLASH_WORN);
	}
	return_number(the, FLASH_OK);
}

static void native_flash_erase(struct sxMachine *the)
{
	uint8_t *block = part_at(the, NOR_BLOCK);
	size_t offset = block ? (size_t)(block - nor_part) : 1;
	if (offset % NOR_BLOCK) return return_number(the, FLASH_RANGE);
	if (nor_faults->worn_block == offset / NOR_BLOCK + 1) return return_number(the, FLASH_WORN);
	bool cut = cut_now();
	memset(block, 0xff, cut ? NOR_BLOCK / 2 : NOR_BLOCK);
	if (cut) board_restart();
	return_number(the, FLASH_OK);
}

const struct native nor_natives[] = {
	{ "flashRead", native_flash_read, 2 },
	{ "flashHolds", native_flash_holds, 2 },
	{ "flashWrite", native_flash_write, 2 },
	{ "flashErase", native_flash_erase, 1 },
	{ NULL, NULL, 0 },
};

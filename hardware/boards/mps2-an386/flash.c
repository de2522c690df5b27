/*
 * NOR flash in the file that QEMU maps: erased bytes are 0xff, writing only clears bits, erasing sets a block. The
 * file holds the complement, so that a new, sparse file is erased flash. Wear, worn-out blocks and power cuts come
 * from the control page; a cut tears the word or the block that it meets.
 */
#include <string.h>

#include "../../native/crypto.h"
#include "board.h"

static uint8_t *at(uint32_t offset)
{
	return NV_BASE + offset;
}

static bool inside(uint32_t offset, size_t size)
{
	return offset <= FLASH_BLOCKS * FLASH_BLOCK && size <= FLASH_BLOCKS * FLASH_BLOCK - offset;
}

/* Counts one write; true when the power fails during it. */
static bool cut_now(void)
{
	CONTROL->writes++;
	if (CONTROL->cut_after == 0) return false;
	return --CONTROL->cut_after == 0;
}

static _Noreturn void power_cut(void)
{
	CONTROL->cuts++;
	board_restart();
}

enum flash_result flash_read(uint32_t offset, uint8_t *out, size_t size)
{
	if (!inside(offset, size)) return FLASH_RANGE;
	for (size_t i = 0; i < size; i++) out[i] = (uint8_t)~at(offset)[i];
	return FLASH_OK;
}

static uint32_t word_at(uint32_t offset)
{
	uint32_t word;
	memcpy(&word, at(offset), FLASH_WORD);
	return ~word;
}

static uint32_t word_of(const uint8_t *bytes)
{
	uint32_t word;
	memcpy(&word, bytes, FLASH_WORD);
	return word;
}

static bool whole_words(uint32_t offset, size_t size)
{
	return inside(offset, size) && offset % FLASH_WORD == 0 && size % FLASH_WORD == 0;
}

bool flash_holds(uint32_t offset, const uint8_t *bytes, size_t size)
{
	if (!whole_words(offset, size)) return false;
	for (size_t i = 0; i < size; i += FLASH_WORD)
		if (word_at(offset + i) != word_of(bytes + i)) return false;
	return true;
}

enum flash_result flash_write(uint32_t offset, const uint8_t *bytes, size_t size)
{
	if (!whole_words(offset, size)) return FLASH_RANGE;
	for (size_t i = 0; i < size; i += FLASH_WORD) {
		uint32_t stored = word_at(offset + i), wanted = word_of(bytes + i);
		if (wanted & ~stored) return FLASH_BIT_SET;
		bool cut = cut_now();
		/* A torn word has some of its bits cleared: here, those of its upper half. */
		if (cut) wanted |= stored & 0x0000ffff;
		wanted = ~wanted;
		memcpy(at(offset + i), &wanted, FLASH_WORD);
		if (cut) power_cut();
	}
	return FLASH_OK;
}

enum flash_result flash_erase(uint32_t offset)
{
	if (!inside(offset, FLASH_BLOCK) || offset % FLASH_BLOCK) return FLASH_RANGE;
	if (CONTROL->worn_block == offset / FLASH_BLOCK + 1) return FLASH_WORN;
	bool cut = cut_now();
	memset(at(offset), 0, cut ? FLASH_BLOCK / 2 : FLASH_BLOCK);
	if (cut) power_cut();
	return FLASH_OK;
}

void flash_start(void)
{
	CONTROL->boots++;
}

size_t settings_read(uint8_t *out, size_t size)
{
	enum { MAGIC = 0x53444e53 };
	struct {
		uint32_t magic, size, check;
	} head;
	const uint8_t *block = at((FLASH_BLOCKS + 1) * FLASH_BLOCK);
	for (size_t i = 0; i < sizeof(head); i++) ((uint8_t *)&head)[i] = (uint8_t)~block[i];
	if (head.magic != MAGIC || head.size > size || head.size > FLASH_BLOCK - sizeof(head)) return 0;
	for (size_t i = 0; i < head.size; i++) out[i] = (uint8_t)~block[sizeof(head) + i];
	return crc32(0, out, head.size) == head.check ? head.size : 0;
}

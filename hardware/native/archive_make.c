/*
 * Makes the archive that archive.c runs: parses a script with XS's own parser, gives every name its identifier, and
 * turns the opcodes that would copy code and strings to the heap into those that leave them where they are.
 * Only the Linux host has a parser; on a chip it would take 0.7 to 2 MB of RAM.
 */
#include "xsAll.h"
#include "xsScript.h"
#include "archive_make.h"
#include "machine.h"

static txScript *parse_program(txMachine *the, const char *source, size_t size)
{
	txStringCStream stream = { .buffer = (txString)source, .offset = 0, .size = (txSize)size };
	return fxParseScript(the, &stream, fxStringCGetter, mxProgramFlag);
}

/* Steps over one instruction like XS's fxRemapIDs; returns where the next one starts. */
static uint8_t *relocate(uint8_t *p, const txID *identifiers)
{
	int8_t size = gxCodeSizes[*p];
	uint16_t short_size;
	uint32_t long_size;
	txID id;
	switch (*p) {
	case XS_CODE_CODE_1: *p = XS_CODE_CODE_ARCHIVE_1; break;
	case XS_CODE_CODE_2: *p = XS_CODE_CODE_ARCHIVE_2; break;
	case XS_CODE_CODE_4: *p = XS_CODE_CODE_ARCHIVE_4; break;
	case XS_CODE_STRING_1: *p = XS_CODE_STRING_ARCHIVE_1; break;
	case XS_CODE_STRING_2: *p = XS_CODE_STRING_ARCHIVE_2; break;
	case XS_CODE_STRING_4: *p = XS_CODE_STRING_ARCHIVE_4; break;
	default: break;
	}
	if (size > 0) return p + size; /* a function's body follows as plain instructions */
	switch (size) {
	case 0:
		memcpy(&id, p + 1, sizeof(id));
		if (id != XS_NO_ID) {
			id = identifiers[id];
			memcpy(p + 1, &id, sizeof(id));
		}
		return p + 1 + sizeof(id);
	case -1:
		return p + 2 + p[1];
	case -2:
		memcpy(&short_size, p + 1, 2);
		return p + 3 + short_size;
	default:
		memcpy(&long_size, p + 1, 4);
		return p + 5 + long_size;
	}
}

struct names {
	uint32_t count;
	txID *identifiers; /* by the index that the parser gave; the first stands for "no name" */
	const char *text;  /* each with its closing zero */
	size_t size;
};

/* Registers the script's names and writes their identifiers into its code. */
static bool relocate_script(txMachine *the, txScript *script, struct names *names)
{
	uint16_t listed;
	if (!script || script->hostsSize > 0) return false;
	memcpy(&listed, script->symbolsBuffer, 2);
	names->count = listed - 1u;
	names->text = (const char *)script->symbolsBuffer + 2;
	names->size = (size_t)script->symbolsSize - 2;
	names->identifiers = calloc(listed, sizeof(txID));
	if (!names->identifiers) return false;
	names->identifiers[0] = XS_NO_ID;
	const char *name = names->text;
	fxBeginHost(the);
	for (int i = 1; i < listed; i++) {
		names->identifiers[i] = fxNewNameC(the, (txString)name);
		name += strlen(name) + 1;
	}
	fxEndHost(the);
	uint8_t *code = (uint8_t *)script->codeBuffer;
	for (uint8_t *p = code; p < code + script->codeSize;) p = relocate(p, names->identifiers);
	return true;
}

bool archive_write(txMachine *the, const char *source, size_t size, FILE *out)
{
	struct names names;
	txScript *script = parse_program(the, source, size);
	if (!relocate_script(the, script, &names)) return false;
	uint32_t before = (uint32_t)(16 + 2 * names.count + names.size);
	uint32_t offset = (before + 3) & ~3u;
	uint32_t header[4] = { ARCHIVE_MAGIC, names.count, offset, (uint32_t)script->codeSize };
	return fwrite(header, sizeof(header), 1, out) == 1
		&& fwrite(names.identifiers + 1, 2, names.count, out) == names.count
		&& fwrite(names.text, 1, names.size, out) == names.size
		&& fwrite("\0\0\0", 1, offset - before, out) == offset - before
		&& fwrite(script->codeBuffer, 1, (size_t)script->codeSize, out) == (size_t)script->codeSize;
}

bool run_program(txMachine *the, const char *source, size_t size)
{
	struct names names;
	txScript *script = parse_program(the, source, size);
	if (!relocate_script(the, script, &names)) return false;
	script_run(the, (uint8_t *)script->codeBuffer, (size_t)script->codeSize);
	return true;
}

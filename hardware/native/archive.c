/*
 * Runs byte code in place from flash. The archive was made by archive_make.c on the build machine, whose XS has the
 * same sources and so the same identifiers for the built-in names. Its layout, little-endian:
 *
 *   u32 magic, u32 count of names, u32 offset of the code, u32 size of the code,
 *   u16 identifier of each name, then each name with its closing zero, padding to 4, the code.
 */
#include "xsAll.h"
#include "machine.h"

static uint32_t word(const uint8_t *archive, int index)
{
	uint32_t value;
	memcpy(&value, archive + 4 * index, 4);
	return value;
}

/* Registers the names in the archive's order, so that each gets the identifier which the code already holds. */
void archive_names(txMachine *the, const uint8_t *archive)
{
	uint32_t count = word(archive, 1);
	const uint8_t *identifiers = archive + 16;
	char *name = (char *)identifiers + 2 * count;
	if (word(archive, 0) != ARCHIVE_MAGIC) fault("archive_damaged");
	fxBeginHost(the);
	for (uint32_t i = 0; i < count; i++) {
		uint16_t wanted;
		memcpy(&wanted, identifiers + 2 * i, 2);
		if (fxNewNameX(the, name) != (txID)wanted) fault("archive_mismatch");
		name += strlen(name) + 1;
	}
	fxEndHost(the);
}

void archive_run(txMachine *the, const uint8_t *archive)
{
	script_run(the, archive + word(archive, 2), word(archive, 3));
}

void script_run(txMachine *the, const uint8_t *code, size_t size)
{
	txScript script = {
		.codeBuffer = (txS1 *)code,
		.codeSize = (txSize)size,
		.path = "archive",
		.version = { XS_MAJOR_VERSION, XS_MINOR_VERSION, XS_PATCH_VERSION, 0 },
	};
	fxBeginHost(the);
	mxTry(the) {
		txSlot *realm = mxModuleInstanceInternal(mxProgram.value.reference)->value.module.realm;
		fxRunScript(the, &script, mxRealmGlobal(realm), NULL, mxRealmClosures(realm)->value.reference, NULL,
			mxProgram.value.reference);
		mxPop();
	}
	mxCatch(the) {
		fxAbort(the, XS_UNHANDLED_EXCEPTION_EXIT);
	}
	fxEndHost(the);
}

/* The image's byte code, run in place. */
	.section .rodata.archive, "a"
	.balign 4
	.global archive
archive:
	.incbin ARCHIVE

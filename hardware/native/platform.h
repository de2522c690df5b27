/*
 * What XS asks of a platform, for the two hosts of this folder: a Linux process (hardware/boards/xs-host) and bare
 * metal (hardware/boards/mps2-an386). XS includes this file through its XSPLATFORM define.
 *
 * Both hosts keep 16-bit property identifiers, because the Linux host compiles the byte code that the chip runs in
 * place and the identifiers are part of that code.
 */
#ifndef SUNDIAL_XS_PLATFORM
#define SUNDIAL_XS_PLATFORM

#undef mxLittleEndian
#define mxLittleEndian 1
#define mxExport extern
#define mxImport extern
#define XS_FUNCTION_NORETURN __attribute__((noreturn))

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define mxMachinePlatform \
	int promiseJobs; \
	void* waiterCondition; \
	void* waiterData; \
	void* waiterLink;

#define mxUseDefaultMachinePlatform 1
#define mxUseDefaultBuildKeys 1
/* The build machine's; an image has neither parser nor modules to load. */
#ifdef mxParse
#define mxUseDefaultParseScript 1
#define mxUseDefaultFindModule 1
#define mxUseDefaultLoadModule 1
#endif
#define mxUseDefaultSharedChunks 1
#define mxUseDefaultCStackLimit 0
#define mxUseDefaultAbort 0
#define mxUseDefaultQueuePromiseJobs 0

/* Paths only occur in error messages; the bundle imports nothing at run time. */
#undef C_PATH_MAX
#define C_PATH_MAX 64

#endif

/* The chip's random number generator for JavaScript. On the ESP32 it is a true one while the radio or ADC runs. */
#include "xsmc.h"
#include "xsHost.h"

#if ESP32
#include "esp_random.h"
#else
#include <sys/random.h>
#define esp_fill_random(buffer, size) ((void)!getentropy(buffer, size))
#endif

void xs_sundial_random(xsMachine *the)
{
	void *buffer = xsmcToArrayBuffer(xsArg(0));
	esp_fill_random(buffer, (size_t)xsmcGetArrayBufferLength(xsArg(0)));
}

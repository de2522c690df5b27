/*
 * The emulated board mps2-an386: a Cortex-M4 with 4 MB of code memory at 0 of which an image may fill FLASH_SIZE,
 * RAM capped by the linker script, UARTs, timers and a watchdog of the CMSDK, and 16 MB at 0x21000000 that QEMU backs
 * with a file. The file stands for the board's NOR flash, so it outlives the process that is killed.
 */
#ifndef SUNDIAL_BOARD
#define SUNDIAL_BOARD

#include "../../native/machine.h"
#include "../../native/nor.h"

enum { STACK_PAINT = 0x5a }; /* what the stack holds where it was never used */

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* uart.c. Port 0 is the console, 1 the tap link, 2 the uplink. */
enum { PORT_CONSOLE, PORT_TAP, PORT_UPLINK, PORT_COUNT };
void uart_start(void);
size_t uart_read(uint32_t port, struct bytes out); /* a port that was never read takes no bytes */
bool uart_pending(void);                           /* bytes wait on any port */
/* Less than all: the far end took no byte for so long. */
size_t uart_write(uint32_t port, struct bytes bytes, uint32_t patience_ms);

/* timer.c */
void timer_start(void);
uint32_t timer_ticks(void);         /* of 25 MHz, wrapping after 171 s; 40 instructions each under -icount shift=0 */
void timer_wake_after(uint32_t ms); /* raises an interrupt, so that a sleeping processor wakes */
void watchdog_start(void);
void watchdog_feed(void);

/* key.c: the device's key lies in a block of its own behind the NOR flash's and never enters JavaScript. */
void key_start(bool blinded);     /* makes one at the first start; faults without entropy */
const uint8_t *key_address(void); /* 20 bytes */
bool key_sign(const uint8_t digest[32], uint8_t signature[64]); /* faults when signing is not blinded */

/* fault.c */
void fault_start(void);  /* says what ended the last run; a board that faults again and again stops here */
void fault_steady(void); /* the device serves: faults before this no longer count as a loop */

/* The page at the end of the file belongs to the emulator, not to the board: it injects what hardware does. */
struct control {
	struct nor_faults faults;
	uint32_t boots;
	uint32_t no_entropy; /* 1: the source gives nothing */
	uint32_t rtc;        /* Unix seconds of the battery-backed clock when this run began; 0: it has none */
	uint32_t restart;    /* 1: the power goes off and on when the loop is next idle */
	uint8_t seed[32];    /* not for JavaScript: the launcher's random bytes: the board has no source of its own */
};
enum { CONTROL_WORDS = 8 }; /* before the seed */
#define NV_BASE ((uint8_t *)0x21000000)
#define CONTROL ((volatile struct control *)(NV_BASE + 16 * 1024 * 1024 - 4096))

#endif

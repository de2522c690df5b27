/*
 * UARTs of the CMSDK. They hold one received byte, so an interrupt moves each into a ring. The emulation has no baud
 * rate: a sender that does not wait for answers can outrun the ring, and what does not fit is dropped and counted.
 */
#include "../../native/machine.h"
#include "board.h"

enum { DATA = 0x0, STATE = 0x4, CONTROL_REGISTER = 0x8, INTERRUPT = 0xc, BAUD = 0x10 };
enum { TRANSMIT_FULL = 1, RECEIVE_FULL = 2 };
/* Frames of a tap are at most 260 bytes, those of the uplink some 17 KB that are read as they come. */
enum { RING = 2048 };
/* A far end that takes nothing for this long is not there; the bytes are lost, as on any line. */
enum { PATIENCE_MS = 50 };

static const uint32_t base[PORT_COUNT] = { 0x40004000, 0x40005000, 0x40006000 };
static struct ring {
	volatile uint32_t head, tail, lost;
	uint8_t bytes[RING];
} rings[PORT_COUNT];

static void receive(int port)
{
	struct ring *ring = &rings[port];
	REGISTER(base[port] + INTERRUPT) = 3; /* before the byte is taken: the next one raises it anew */
	while (REGISTER(base[port] + STATE) & RECEIVE_FULL) {
		uint8_t byte = (uint8_t)REGISTER(base[port] + DATA);
		if (ring->head - ring->tail == RING) ring->lost++;
		else ring->bytes[ring->head++ % RING] = byte;
	}
}

void uart_console_interrupt(void)
{
	receive(PORT_CONSOLE);
}

void uart_tap_interrupt(void)
{
	receive(PORT_TAP);
}

void uart_uplink_interrupt(void)
{
	receive(PORT_UPLINK);
}

void uart_start(void)
{
	for (int port = 0; port < PORT_COUNT; port++) {
		REGISTER(base[port] + BAUD) = 217; /* 115,200 at 25 MHz; the emulation only wants it at least 16 */
		REGISTER(base[port] + CONTROL_REGISTER) = 1 | 2 | 8; /* transmit, receive, interrupt on receive */
	}
	REGISTER(0xe000e100) = 1 << 0 | 1 << 2 | 1 << 4; /* the three receive interrupts */
}

size_t uart_read(int port, uint8_t *out, size_t size)
{
	struct ring *ring = &rings[port];
	size_t count = 0;
	while (count < size && ring->tail != ring->head) out[count++] = ring->bytes[ring->tail++ % RING];
	return count;
}

bool uart_pending(void)
{
	return rings[PORT_TAP].head != rings[PORT_TAP].tail || rings[PORT_UPLINK].head != rings[PORT_UPLINK].tail;
}

uint32_t uart_lost(int port)
{
	return rings[port].lost;
}

size_t uart_write(int port, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint32_t start = timer_milliseconds();
		while (REGISTER(base[port] + STATE) & TRANSMIT_FULL)
			if (timer_milliseconds() - start > PATIENCE_MS) return i;
		REGISTER(base[port] + DATA) = bytes[i];
	}
	return size;
}

void board_print(const char *text, size_t size)
{
	uart_write(PORT_CONSOLE, (const uint8_t *)text, size);
}

/*
 * UARTs of the CMSDK. They hold one received byte, so an interrupt moves each into a ring. The emulation has no baud
 * rate, but it waits while the byte is not taken, as a line with flow control does.
 */
#include "../../native/machine.h"
#include "board.h"

enum { DATA = 0x0, STATE = 0x4, CONTROL_REGISTER = 0x8, INTERRUPT = 0xc, BAUD = 0x10 };
enum { TRANSMIT_FULL = 1, RECEIVE_FULL = 2 };
enum { TRANSMIT = 1, RECEIVE = 2, RECEIVE_INTERRUPT = 8 };
/* Frames of a tap are at most 260 bytes, those of the uplink some 17 KB that are read as they come. */
enum { RING = 2048, HELD = 4 };
/*
 * A far end that takes nothing for this long is not there; the bytes are lost, as on any line. One whose beats were
 * heard may share a busy computer with us, as may whoever reads the console, where half a line is worth nothing.
 */
enum { PATIENCE_MS = 50, PEER_PATIENCE_MS = 1000, CONSOLE_PATIENCE_MS = 3000 };

/*
 * A wire does not say whether anyone is at its far end. So each side sends a beat, the frame of the single byte that
 * names this start of the board: 02, byte, 00. No message is that short, so the beats are taken out of the stream
 * here, before anyone parses it. Beats that stop mean that the far end is gone, another byte that it restarted.
 */
enum { BEAT_MS = 200, GONE_MS = 1000 };
static struct peer {
	uint8_t held[2];       /* the start of a frame that may yet be a beat */
	uint8_t count;         /* bytes held */
	bool inside;           /* in the middle of a frame that is none */
	uint8_t name;          /* of the far end's start; 0: nobody is there */
	uint8_t told;          /* what the loop was told last */
	bool torn;             /* the last write was given up in the middle */
	uint32_t heard_ms, beat_ms;
} peers[PORT_COUNT];

static const uint32_t base[PORT_COUNT] = { 0x40004000, 0x40005000, 0x40006000 };
static struct ring {
	volatile uint32_t head, tail, lost;
	bool open; /* the program asks for what arrives here */
	uint8_t bytes[RING];
} rings[PORT_COUNT];

static void keep(struct ring *ring, uint8_t byte)
{
	if (ring->head - ring->tail == RING) ring->lost++;
	else ring->bytes[ring->head++ % RING] = byte;
}

/* Passes a byte on, unless it belongs to a beat. */
static void sift(int port, uint8_t byte)
{
	struct peer *peer = &peers[port];
	struct ring *ring = &rings[port];
	if (peer->inside) {
		keep(ring, byte);
		peer->inside = byte != 0;
		return;
	}
	if (byte == 0 && peer->count == 2) {
		peer->name = peer->held[1];
		peer->heard_ms = timer_milliseconds();
		peer->count = 0;
		return;
	}
	if ((peer->count == 0 && byte == 2) || (peer->count == 1 && byte != 0)) {
		peer->held[peer->count++] = byte;
		return;
	}
	for (int i = 0; i < peer->count; i++) keep(ring, peer->held[i]);
	peer->count = 0;
	keep(ring, byte);
	peer->inside = byte != 0;
}

static void send_beat(int port)
{
	uint8_t frame[3] = { 2, (uint8_t)(CONTROL->boots % 255 + 1), 0 };
	peers[port].beat_ms = timer_milliseconds();
	uart_write(port, frame, sizeof(frame));
}

uint32_t uart_peer(int port)
{
	struct peer *peer = &peers[port];
	uint8_t name = peer->name;
	rings[port].open = true;
	/* What is said next is for whoever has just come, so that one must know first that we are here. */
	if (name != peer->told && name != 0) send_beat(port);
	peer->told = name;
	return name;
}

/* Sends this side's beat when it is due, and notices that the far end's have stopped. */
static void beat(int port, uint32_t now)
{
	struct peer *peer = &peers[port];
	if (now - peer->beat_ms >= BEAT_MS) send_beat(port);
	/* Signed, because an interrupt may have heard a beat after `now`. */
	if (peer->name != 0 && (int32_t)(now - peer->heard_ms) >= GONE_MS) peer->name = 0;
}

void uart_beat(void)
{
	uint32_t now = timer_milliseconds();
	beat(PORT_TAP, now);
	beat(PORT_UPLINK, now);
}

static void receive(int port)
{
	REGISTER(base[port] + INTERRUPT) = 3; /* before the byte is taken: the next one raises it anew */
	while (REGISTER(base[port] + STATE) & RECEIVE_FULL) {
		/* A full ring leaves the byte where it is: the far end has to wait until uart_read makes room. */
		if (rings[port].head - rings[port].tail >= RING - HELD) {
			REGISTER(base[port] + CONTROL_REGISTER) = TRANSMIT | RECEIVE;
			return;
		}
		uint8_t byte = (uint8_t)REGISTER(base[port] + DATA);
		if (port == PORT_CONSOLE) keep(&rings[port], byte);
		else sift(port, byte);
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
		REGISTER(base[port] + CONTROL_REGISTER) = TRANSMIT | RECEIVE | RECEIVE_INTERRUPT;
	}
	REGISTER(0xe000e100) = 1 << 0 | 1 << 2 | 1 << 4; /* the three receive interrupts */
}

size_t uart_read(int port, uint8_t *out, size_t size)
{
	struct ring *ring = &rings[port];
	size_t count = 0;
	while (count < size && ring->tail != ring->head) out[count++] = ring->bytes[ring->tail++ % RING];
	if (!(REGISTER(base[port] + CONTROL_REGISTER) & RECEIVE_INTERRUPT)) {
		/* What waits in the UART raises no interrupt any more, so it is taken here. */
		__asm volatile("cpsid i");
		REGISTER(base[port] + CONTROL_REGISTER) = TRANSMIT | RECEIVE | RECEIVE_INTERRUPT;
		receive(port);
		__asm volatile("cpsie i");
	}
	return count;
}

bool uart_pending(void)
{
	for (int port = 0; port < PORT_COUNT; port++) {
		bool news = rings[port].head != rings[port].tail || peers[port].name != peers[port].told;
		if (rings[port].open && news) return true;
	}
	return false;
}

uint32_t uart_lost(int port)
{
	return rings[port].lost;
}

static bool send_byte(int port, uint8_t byte, uint32_t patience)
{
	uint32_t start = timer_milliseconds();
	while (REGISTER(base[port] + STATE) & TRANSMIT_FULL)
		if (timer_milliseconds() - start > patience) return false;
	REGISTER(base[port] + DATA) = byte;
	return true;
}

size_t uart_write(int port, const uint8_t *bytes, size_t size)
{
	struct peer *peer = &peers[port];
	uint32_t patience = port == PORT_CONSOLE ? CONSOLE_PATIENCE_MS : peer->name ? PEER_PATIENCE_MS : PATIENCE_MS;
	size_t sent = 0;
	/* The rest of a frame that was given up must not become the start of the next one. */
	if (peer->torn && port != PORT_CONSOLE && !send_byte(port, 0, patience)) return 0;
	while (sent < size && send_byte(port, bytes[sent], patience)) sent++;
	peer->torn = sent < size;
	return sent;
}

void board_print(const char *text, size_t size)
{
	uart_write(PORT_CONSOLE, (const uint8_t *)text, size);
}

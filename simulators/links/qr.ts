/**
 * Taps over QR: two displays, and two cameras that miss every third frame. Each code becomes a picture and is read from it.
 * At the end the till's outbox goes to the hub the same way, as a sequence.
 */
import { QrLink } from '../../device/links/qr.ts';
import { LinkUplink, serveDevice } from '../../device/links/uplink.ts';
import { pictureOf, readPicture } from '../../hardware/boards/node/links/qr/image.ts';
import { mqttUplink } from '../../hardware/boards/node/mqtt.ts';
import { nodeClock, nodeEntropy } from '../../hardware/boards/node/host.ts';
import type { Link } from '../../hardware/interfaces/index.ts';
import { toHex } from '../../protocol/bytes.ts';
import { Random } from '../stage/world/random.ts';
import { dayOf } from './day.ts';
import { LinksHub } from './hub.ts';
import { Links } from './meeting.ts';
import type { Meeting } from './sale.ts';
import { HUB_NAME, keys, Shop, type Side, SIDES } from './site.ts';

export type QrResult = { readonly taps: number; readonly frameLoss: number; readonly lost: number };

/** Share of frames, of 100, that a camera misses. */
const MISSED = 33;
const FRAME_MS = 12;
const SCALE = 3;
const HAND_IN_EACH = 50;
const HAND_IN_MS = 120_000;

/** Two displays that film each other, until `stop`. */
class Film {
  /** Frames that were there to be seen, and those that were missed. */
  shown = 0;
  missed = 0;
  private readonly random: Random;
  private timer: NodeJS.Timeout | undefined;

  constructor(random: Random) {
    this.random = random;
  }

  start(one: QrLink, other: QrLink): void {
    this.stop();
    let number = 0;
    const seen = new Map<QrLink, string>();
    const look = (from: QrLink, to: QrLink): void => {
      const text = from.frame(number);
      if (text === undefined) return;
      this.shown += 1;
      if (this.random.below(100) < MISSED) {
        this.missed += 1;
        return;
      }
      if (seen.get(from) === text) return;
      seen.set(from, text);
      const read = readPicture(pictureOf(text, SCALE));
      if (read !== text) throw new Error(`a code says ${read}, not ${text}`);
      to.scan(read);
    };
    this.timer = setInterval(() => {
      number += 1;
      look(one, other);
      look(other, one);
    }, FRAME_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }
}

class QrMeeting extends Links implements Meeting<never> {
  private readonly shop: Shop;
  private readonly film: Film;
  private displays: QrLink[] = [];

  constructor(shop: Shop, film: Film) {
    super();
    this.shop = shop;
    this.film = film;
  }

  begin(): void {
    const display = (side: Side): QrLink =>
      new QrLink({
        clock: nodeClock,
        first: side === 'payer',
        nonce: nodeEntropy.random(2),
        onLink: (link) => this.linked(side, link, this.shop),
      });
    const [till, payer] = [display('till'), display('payer')];
    this.displays = [till, payer];
    this.film.start(payer, till);
  }

  cutHappened(): boolean {
    return false;
  }

  async end(): Promise<void> {
    this.film.stop();
    for (const display of this.displays) display.end();
    await this.closeAll();
  }
}

/** A device's outbox, filmed by a gateway. */
async function handInByCode(shop: Shop, side: Side, url: string, film: Film): Promise<void> {
  const { device } = shop.actors[side];
  const uplink = new LinkUplink((side === 'payer' ? keys.payer : keys.till).address);
  device.attachUplink(uplink);
  const display = (first: boolean, onLink: (link: Link) => void): QrLink =>
    new QrLink({ clock: nodeClock, first, nonce: nodeEntropy.random(2), onLink });
  const gateway = display(false, (link) =>
    serveDevice(link, (address) =>
      mqttUplink({ url, hub: HUB_NAME, device: toHex(address), reconnectMs: 200 }),
    ),
  );
  const own = display(true, (link) => uplink.attach(link));
  film.start(own, gateway);
  const left = () => (device.state.books as { outbox: readonly unknown[] }).outbox.length;
  const done = await shop.until(() => left() === 0, HAND_IN_MS);
  film.stop();
  own.end();
  gateway.end();
  device.detachUplink();
  if (!done) throw new Error(`${side}: ${left()} entries wait for the hub's word`);
}

/** Taps over codes; compares the books. `frameLoss`: the share that was missed, counted. */
export async function runQr(options: {
  readonly seed: number;
  readonly taps: number;
  say(text: string): void;
}): Promise<QrResult> {
  const random = new Random(options.seed).fork('qr');
  const shop = await Shop.open(options.seed);
  const hub = await LinksHub.start();
  const film = new Film(random);
  try {
    const meeting = new QrMeeting(shop, film);
    const { taps, lost, doubled } = await dayOf({
      name: 'qr',
      shop,
      hub,
      meeting,
      taps: options.taps,
      cuts: 0,
      handInEach: HAND_IN_EACH,
      breaks: () => [],
      handIn: async () => {
        for (const side of SIDES) await handInByCode(shop, side, hub.url, film);
      },
      also: () => `, ${film.missed} of ${film.shown} frames missed`,
      say: (text) => options.say(text),
    });
    const frameLoss = Math.round((100 * film.missed) / film.shown) / 100;
    return { taps, frameLoss, lost: lost + doubled };
  } finally {
    film.stop();
    shop.close();
    hub.discard();
  }
}

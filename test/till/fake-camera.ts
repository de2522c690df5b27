/** What Chromium's fake camera sees: a code in the middle of a grey room, or the room alone. */
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { pictureOf } from '../../hardware/boards/node/links/qr/image.ts';

const SIDE = 480;
const FRAMES = 10;

/** A file that Chromium reads frame by frame, again and again; written over in place. */
export class FakeCamera {
  readonly path: string;
  private readonly file: number;

  constructor(folder: string) {
    this.path = join(folder, 'camera.y4m');
    this.file = openSync(this.path, 'w');
    this.see(undefined);
  }

  /** Flags of a Chromium that looks through this camera. */
  get flags(): string[] {
    return [
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      `--use-file-for-fake-video-capture=${this.path}`,
    ];
  }

  see(text: string | undefined): void {
    const luma = Buffer.alloc(SIDE * SIDE, 0xa0);
    if (text !== undefined) {
      const { pixels, width } = pictureOf(text, 6);
      const from = (SIDE - width) >> 1;
      for (let y = 0; y < width; y++)
        for (let x = 0; x < width; x++)
          luma[(from + y) * SIDE + from + x] = pixels[4 * (y * width + x)] === 0 ? 0x10 : 0xeb;
    }
    const chroma = Buffer.alloc((SIDE * SIDE) / 2, 0x80);
    const frame = Buffer.concat([Buffer.from('FRAME\n'), luma, chroma]);
    const head = Buffer.from(`YUV4MPEG2 W${SIDE} H${SIDE} F10:1 Ip A1:1 C420jpeg\n`);
    const film = Buffer.concat([head, ...Array.from({ length: FRAMES }, () => frame)]);
    writeSync(this.file, film, 0, film.length, 0);
  }
}

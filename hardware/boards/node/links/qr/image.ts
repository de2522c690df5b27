/** Codes as pictures: what a display shows, and what a camera's picture says. */
import jsqr from 'jsqr';
import { encode, renderUnicodeCompact } from 'uqr';

/** The modules of a code, dark ones true, with a margin of two; level L, the smallest version that holds the text. */
export const codeOf = (text: string): boolean[][] => encode(text, { ecc: 'L', border: 2 }).data;

/** Version of the code that a text needs: 1 to 40. */
export const versionOf = (text: string): number => encode(text, { ecc: 'L' }).version;

/** A code for a terminal's window. */
export const codeText = (text: string): string => renderUnicodeCompact(text, { ecc: 'L', border: 2 });

/** A picture in RGBA, row by row. */
export interface Picture {
  readonly pixels: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** A code as a picture, `scale` pixels a module. */
export function pictureOf(text: string, scale: number): Picture {
  const code = codeOf(text);
  const size = code.length * scale;
  const pixels = new Uint8ClampedArray(4 * size * size).fill(255);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      if (code[Math.floor(y / scale)]![Math.floor(x / scale)])
        pixels.fill(0, 4 * (y * size + x), 4 * (y * size + x) + 3);
  return { pixels, width: size, height: size };
}

/** The text of the code in a picture; undefined when there is none, or none that can be read. */
export function readPicture({ pixels, width, height }: Picture): string | undefined {
  // Bundlers and Node disagree where its only function is.
  const read = (jsqr as unknown as { default?: typeof jsqr }).default ?? jsqr;
  return read(pixels, width, height, { inversionAttempts: 'dontInvert' })?.data;
}

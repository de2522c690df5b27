declare module 'sundial/entropy' {
  /** Fills the buffer from the chip's hardware random number generator. */
  export default function random(buffer: ArrayBuffer): void;
}

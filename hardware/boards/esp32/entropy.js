/** Bound to entropy.c by the SDK. */
export default function random(buffer) @ 'xs_sundial_random';

/** Bound to natives.c by the SDK. Makes `globalThis.natives`: see hardware/native/natives.ts for what is in it. */
export default function install() {
  return native('xs_sundial_natives').call(this);
}

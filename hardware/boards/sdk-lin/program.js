/** Bound to program.c by the SDK. Adds files, flash and arguments to `globalThis.natives`: see linux.ts. */
export default function install() {
  return native('xs_sundial_linux').call(this);
}

// Firmware images on the emulated Cortex-M4: builds them once, then runs this folder's tests.
const needs = [
  { program: 'cc', apt: 'gcc libc6-dev' },
  { program: 'arm-none-eabi-gcc', apt: 'gcc-arm-none-eabi libnewlib-arm-none-eabi' },
  { program: 'qemu-system-arm', apt: 'qemu-system-arm' },
];

export default {
  needs,
  async run({ runUvuFolder }) {
    const { buildImage, roles } = await import('../../hardware/boards/mps2-an386/build.mjs');
    for (const role of Object.keys(roles)) {
      const { flashBytes } = await buildImage(role);
      process.stdout.write(`  image ${role}: ${flashBytes} bytes of flash\n`);
    }
    return runUvuFolder();
  },
};

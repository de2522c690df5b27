// The Linux program as the Moddable SDK builds it, against real processes: a till and a wearable on the SDK's XS pay
// each other over a serial line, reach a hub through the SDK's MQTT client, survive kill -9, and settle on the vault.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';

/** A story with its first compilation of the contracts takes half a minute; a loaded machine much longer. */
const waitMs = 120_000;

/** Where the SDK's tools are, or what is missing. */
export function findSdk() {
  const sdk = process.env.MODDABLE;
  if (!sdk) return { missing: 'the environment variable MODDABLE, the folder of the Moddable SDK' };
  const tools = join(sdk, 'build/bin/lin/release');
  if (!existsSync(join(tools, 'mcconfig')))
    return { missing: `${tools}/mcconfig, the tools of the Moddable SDK` };
  return { sdk, tools };
}

/** A child whose lines can be waited for. */
class Lines {
  constructor(program, args, options = {}) {
    this.seen = [];
    this.waiters = [];
    this.child = spawn(program, args, { stdio: ['ignore', 'pipe', 2], ...options });
    this.ended = new Promise((resolve) => this.child.once('close', () => resolve()));
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.seen.push(line);
      this.waiters = this.waiters.filter((waiter) => !waiter(line));
    });
  }

  /** Resolves with the first line that matches, also one that came before; throws when none comes. */
  async next(pattern) {
    const found = this.seen.find((line) => pattern.test(line));
    if (found) return found;
    let timer;
    const line = await Promise.race([
      new Promise((resolve) => {
        this.waiters.push((line) => {
          const fits = pattern.test(line);
          if (fits) resolve(line);
          return fits;
        });
      }),
      this.ended,
      new Promise((resolve) => {
        timer = setTimeout(resolve, waitMs);
      }),
    ]);
    clearTimeout(timer);
    if (typeof line === 'string') return line;
    throw new Error(`no ${pattern} in:\n${this.seen.join('\n')}`);
  }

  async end(signal = 'SIGTERM') {
    this.child.kill(signal);
    await this.ended;
  }
}

/** Runs one of the SDK's tools; its output goes below build/mcconfig. */
async function runTool({ root, execute, sdk, tools }, tool, ...args) {
  const out = join(root, 'build/mcconfig');
  mkdirSync(out, { recursive: true });
  const env = { MODDABLE: sdk, PATH: `${tools}${delimiter}${process.env.PATH}` };
  return { out, ...(await execute(tool, [...args, '-o', out], { env, quiet: true })) };
}

/**
 * What the SDK can say about the ESP32 without that chip's compiler: every module of the manifest is there, and XS
 * compiles the program.
 */
export async function checkEsp32(context) {
  const { check, root } = context;
  const made = await runTool(context, 'mcconfig', '-p', 'esp32');
  check(`the manifest resolves for the ESP32: ${made.output}`, made.code === 0);
  const makefile = readFileSync(join(made.out, 'tmp/esp32/release/sundial/makefile'), 'utf8');
  for (const file of ['bleserver.c', 'flash-esp32.c', 'storage-esp32.c', 'natives.c', 'secp.c', 'keccak.c'])
    check(`the ESP32's makefile compiles ${file}`, makefile.includes(`/${file}.o`));
  const compiled = await runTool(context, 'xsc', '-c', '-e', join(root, 'build/sdk/esp32.js'), '-r', 'esp32');
  check(`XS compiles the ESP32's program: ${compiled.output}`, compiled.code === 0);
}

/** Builds the program; throws with what mcconfig printed when it fails. */
async function buildProgram(context) {
  const { out, code, output } = await runTool(context, 'mcconfig', '-m', '-p', 'x-cli-lin');
  const program = join(out, 'bin/lin/release/sundial');
  if (code !== 0 || !existsSync(program)) throw new Error(output);
  return program;
}

/** Waits until these serial devices are there. */
async function present(...devices) {
  const deadline = Date.now() + waitMs;
  while (!devices.every((device) => existsSync(device))) {
    if (Date.now() > deadline) throw new Error(`socat did not make ${devices}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A cable between two serial devices that it makes; resolves when both are there. */
async function plug(...ends) {
  const wire = new Lines(
    'socat',
    ends.map((end) => `PTY,link=${end},raw,echo=0`),
  );
  await present(...ends);
  return wire;
}

/** A car charges tick by tick at a Node charger and loses its power: no tick is lost or delivered twice. */
async function carSession({ home, state, cli, check, running, start }) {
  const [plugTap, plugTty] = [join(home, 'plug'), join(home, 'plug-tty')];
  const charger = new Lines(process.execPath, [
    cli,
    'charger',
    '--state',
    join(state, 'charger'),
    '--tap',
    `unix:${plugTap}`,
    '--json',
  ]);
  running.add(charger);
  await charger.next(/"ready"/);
  const car = async () => {
    const cable = new Lines('socat', [`PTY,link=${plugTty},raw,echo=0`, `UNIX-CONNECT:${plugTap}`]);
    running.add(cable);
    await present(plugTty);
    return { cable, device: start(join(state, 'car'), plugTty) };
  };
  const first = await car();
  await first.device.next(/"tickPaid","k":12\b/);
  await first.device.end('SIGKILL');
  // The charger serves one car at a time: the cable is out before it is put in again.
  await first.cable.end();
  const again = await car();
  // Its stream ends with the cut: the tick that was revealed last is answered, and no further one follows.
  const answered = JSON.parse(await again.device.next(/"tickPaid"/)).k;
  const ticks = charger.seen.map((line) => JSON.parse(line)).filter(({ event }) => event === 'deliver');
  check(
    `each tick is delivered once: ${ticks.map(({ k }) => k)}`,
    ticks.every(({ k }, i) => k === i + 1),
  );
  check(`the car counts ${answered} ticks, as many as were delivered`, answered === ticks.length);
}

export async function runLinux(context) {
  const { root, execute, check } = context;
  const program = await buildProgram(context);
  const home = mkdtempSync(join(tmpdir(), 'sundial-sdk-'));
  const state = join(home, 'site');
  const cli = join(root, 'tools/sundial.mjs');
  const demo = new Lines(process.execPath, [cli, 'demo', '--state', state]);
  const [tillTty, wearableTty] = [join(home, 'till'), join(home, 'wearable')];
  let wire = await plug(tillTty, wearableTty);
  const running = new Set();
  const start = (...args) => {
    const device = new Lines(program, args);
    running.add(device);
    void device.ended.then(() => running.delete(device));
    return device;
  };
  try {
    await demo.next(/Ctrl-C here/);
    const site = JSON.parse(readFileSync(join(state, 'site.json'), 'utf8'));
    const hub = ['--hub', site.mqttUrl.replace('mqtt://', '')];
    const till = (units) => start(join(state, 'pos'), tillTty, ...hub, '--sale', String(units));
    const wearable = () => start(join(state, 'wearable'), wearableTty, ...hub);
    const reconcile = async () => {
      const authorization = `Bearer ${readFileSync(site.tokenFile, 'utf8').trim()}`;
      await fetch(`${site.statusUrl}/v1/settlements`, { method: 'POST', headers: { authorization } });
      const { output } = await execute(process.execPath, [cli, 'reconcile', '--site', state], {
        quiet: true,
      });
      return output;
    };

    let pos = till(1_500_000);
    let payer = wearable();
    const { voucher } = JSON.parse(await pos.next(/"approved".*1500000/));
    check('the wearable stored the receipt', JSON.parse(await payer.next(/"paid"/)).voucher === voucher);
    check('the hub acknowledged to the till', (await pos.next(/"acknowledged"/)).includes(voucher));
    check('and to the wearable', (await payer.next(/"acknowledged"/)).includes(voucher));
    const second = wearable();
    await second.ended;
    check('one folder, one process', second.seen.join().includes('device_in_use'));
    await pos.end();
    const none = start(home, wearableTty);
    await none.ended;
    check('a folder without a device is named', none.seen.join().includes('no_device'));

    // The cable is pulled and put back: the wearable opens its line again.
    await wire.end();
    wire = await plug(tillTty, wearableTty);

    // Killed with the intent stored: whatever left the chip, the same voucher is brought to its end.
    pos = till(700_000);
    await payer.next(/"signing".*700000/);
    await payer.end('SIGKILL');
    payer = wearable();
    const answered = JSON.parse(await pos.next(/"approved".*700000/));
    await pos.next(new RegExp(`"acknowledged".*${answered.voucher}`));
    // By the till's receipt or by the hub's acknowledgement, whichever it met first.
    await payer.next(new RegExp(`"paid".*${answered.voucher}`));
    await Promise.all([pos.end(), payer.end()]);

    // A P-256 voucher: the till checks it in JavaScript, with the BigInts of this XS.
    const element = join(home, 'element');
    const open = [
      'channel',
      'open',
      '--site',
      state,
      '--device',
      element,
      '--key',
      'p256',
      '--amount',
      '100',
    ];
    const opened = await execute(process.execPath, [cli, ...open], { quiet: true });
    check(`a channel for a secure element: ${opened.output}`, opened.code === 0);
    const [tap, tty] = [join(home, 'tap'), join(home, 'tap-tty')];
    const bridge = new Lines('socat', [`PTY,link=${tty},raw,echo=0`, `UNIX-LISTEN:${tap}`]);
    running.add(bridge);
    const args = ['wearable', '--state', element, '--tap', `unix:${tap}`, '--hub', site.mqttUrl, '--json'];
    const secure = new Lines(process.execPath, [cli, ...args]);
    running.add(secure);
    await secure.next(/"lease"/);
    pos = start(join(state, 'pos'), tty, ...hub, '--sale', '400000');
    const signed = JSON.parse(await pos.next(/"approved".*400000/)).voucher;
    await pos.next(new RegExp(`"acknowledged".*${signed}`));
    await Promise.all([pos.end(), secure.end()]);

    const books = await reconcile();
    check(
      `till, wearable, ledger and vault agree:\n${books}`,
      !/DIFFERENT/.test(books) && /holds/.test(books),
    );
    // 8.85 of the story, 1.50 and 0.70.
    check(`and hold what was paid:\n${books}`, (books.match(/11\.05/g) ?? []).length === 4);
    check(`and what the element paid:\n${books}`, (books.match(/ 0\.40/g) ?? []).length === 4);

    await carSession({ home, state, cli, check, running, start });
  } catch (error) {
    check(error.message, false);
  } finally {
    await Promise.all([...running].map((device) => device.end('SIGKILL')));
    await wire.end();
    await demo.end('SIGINT');
    rmSync(home, { recursive: true, force: true });
  }
}

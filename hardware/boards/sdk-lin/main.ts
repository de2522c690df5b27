/**
 * A device as a Linux program on the SDK's XS: the folders of the Node devices, the tap on a serial line, the hub
 * behind the SDK's MQTT client.
 *
 *   sundial <state folder> <serial device> [--hub host:port] [--sale units]
 */
import TCP from 'embedded:io/socket/tcp';
import { journalIn } from '../../../device/journal/capacity.ts';
import { Pos } from '../../../device/roles/pos.ts';
import { fromHex, toHex } from '../../../protocol/bytes.ts';
import { amount, seconds } from '../../../protocol/integers.ts';
import { DEFAULT_TIMING, TAP_MESSAGE_BYTES_MAX, type Timing } from '../../../protocol/limits.ts';
import { hubPin } from '../../../protocol/machines/hub-keys.ts';
import { nativeKey } from '../../native/index.ts';
import { sdkClock } from '../sdk/clock.ts';
import { crypto, say, type Settings, sdkPayer, sdkTerminal } from '../sdk/device.ts';
import { sdkEntropy } from '../sdk/entropy.ts';
import { sdkFlash } from '../sdk/flash.ts';
import { mqttUplink } from '../sdk/mqtt.ts';
import { serialLinks } from '../sdk/serial.ts';
import { fileFlash } from './flash.ts';
import { journalBanks } from './limits.ts';
import { linux } from './linux.ts';

/** Ends the program with a reason. */
function refuse(code: string, message: string): never {
  say({ event: 'refused_to_start', code, message });
  return linux.exit(1);
}

/** device.json of a folder that `sundial` made; it was checked when it was written. */
interface DeviceFile {
  readonly role: string;
  /** Absent where the key is in a secure element. */
  readonly secret?: string;
  readonly chainId: number;
  readonly vault: string;
  /** The hub's name in MQTT topics, and its root's address. */
  readonly hub: string;
  readonly root: string;
  readonly timing?: Timing;
  readonly scope?: string;
  readonly payee?: string;
  readonly certificate?: { readonly expiresAt: number; readonly signature: string };
}

function readFolder(folder: string): DeviceFile & { readonly secret: string } {
  const text = linux.readText(`${folder}/device.json`);
  if (text === undefined) return refuse('no_device', `${folder} holds no device`);
  const file = JSON.parse(text) as DeviceFile;
  if (!['wearable', 'car', 'pos'].includes(file.role)) return refuse('wrong_role', `no ${file.role} here`);
  const { secret } = file;
  if (secret === undefined) return refuse('key_unsupported', 'this program signs with secp256k1 only');
  const holder = linux.lock(folder);
  if (holder > 0) return refuse('device_in_use', `process ${holder} runs this device`);
  if (holder < 0) return refuse('device_in_use', `${folder} can't be locked`);
  return { ...file, secret };
}

/** Addresses are numeric here: a resolver would ask a network that a device on a bench may not have. */
class NumericAddresses {
  resolve(question: { host: string; onResolved(host: string, address: string): void }): void {
    question.onResolved(question.host, question.host);
  }
}

export default function main(): void {
  const [folder, device, ...flags] = linux.arguments().split('\n');
  if (folder === undefined || device === undefined)
    return refuse('usage', 'sundial <state folder> <serial device> [--hub host:port] [--sale units]');
  const flag = (name: string): string | undefined =>
    flags.includes(name) ? flags[flags.indexOf(name) + 1] : undefined;
  const file = readFolder(folder);
  const settings: Settings = {
    role: file.role as Settings['role'],
    chainId: file.chainId,
    vault: fromHex(file.vault, 20),
    hub: hubPin(crypto, file.hub, fromHex(file.root, 20)),
    timing: file.timing ?? DEFAULT_TIMING,
    scope: file.scope === undefined ? undefined : fromHex(file.scope, 32),
    payee: file.payee === undefined ? undefined : fromHex(file.payee, 20),
    certificate: file.certificate && {
      expiresAt: seconds(file.certificate.expiresAt),
      signature: fromHex(file.certificate.signature, 64),
    },
  };
  const key = nativeKey(fromHex(file.secret, 32));
  // A computer's clock keeps running while a device process is down.
  const clock = sdkClock(() => Math.floor(Date.now() / 1000));
  const host = { key, clock, entropy: sdkEntropy };
  const journal = journalIn(sdkFlash(fileFlash(`${folder}/flash.img`)), {
    banks: journalBanks,
    begun: true,
  });
  const { role } = settings;
  const terminal = role === 'pos' ? sdkTerminal(settings, host, journal) : undefined;
  const runtime =
    terminal ?? sdkPayer({ ...settings, role: role === 'car' ? 'car' : 'wearable' }, host, journal);

  void runtime.start().then(() => {
    serialLinks({ device }, TAP_MESSAGE_BYTES_MAX, clock, sdkEntropy, (link) => runtime.attachLink(link));
    const [address, port] = flag('--hub')?.split(':') ?? [];
    if (address !== undefined && port !== undefined) {
      const network = { dns: { io: NumericAddresses }, socket: { io: TCP } };
      const names = { hub: file.hub, device: toHex(key.address) };
      runtime.attachUplink(mqttUplink({ host: address, port: Number(port), ...names, ...network }, clock));
    }
    say({ event: 'ready', address: key.address, frozen: runtime.frozen });
    const sale = flag('--sale');
    if (terminal !== undefined && sale !== undefined)
      void new Pos(terminal, sdkEntropy).sale(amount(Number(sale)));
  });
}

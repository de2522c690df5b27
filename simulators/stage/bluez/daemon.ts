/** A message bus of one's own: dbus-daemon on a socket in a fresh folder, ended by its process id. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SundialError } from '../../../protocol/errors.ts';

const config = (socket: string): string => `<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`;

/** A bus that runs. */
export interface PrivateBus {
  /** For DBUS_SYSTEM_BUS_ADDRESS. */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Starts one; `tiedBy`: the program (tools/tied.mjs) that ends it when this process ends in any way. Throws `no_dbus_daemon`
 * when the program is missing or ends.
 */
export async function startBus(tiedBy?: string): Promise<PrivateBus> {
  const folder = mkdtempSync(join(tmpdir(), 'sundial-bus-'));
  const socket = join(folder, 'bus');
  writeFileSync(join(folder, 'bus.conf'), config(socket));
  const args = [`--config-file=${join(folder, 'bus.conf')}`, '--nofork', '--nopidfile', '--print-address'];
  const [program, ...before] =
    tiedBy === undefined ? ['dbus-daemon'] : [process.execPath, tiedBy, 'dbus-daemon'];
  const child: ChildProcess = spawn(program!, [...before, ...args], { stdio: ['pipe', 'pipe', 'ignore'] });
  const up = await new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(false));
    child.once('exit', () => resolve(false));
    createInterface({ input: child.stdout! }).once('line', () => resolve(true));
  });
  if (!up) {
    rmSync(folder, { recursive: true, force: true });
    throw new SundialError('no_dbus_daemon', 'dbus-daemon does not start', {
      severity: 'process',
      remedy: 'Install it: apt-get install dbus-daemon (Debian 12) or dbus.',
    });
  }
  return {
    address: `unix:path=${socket}`,
    async close() {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, 'exit');
        child.kill('SIGTERM');
        await gone;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

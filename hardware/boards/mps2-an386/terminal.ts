/** What the images of a till and of a charge point share. */
import { type TerminalDevice, terminalDevice } from '../../../device/devices.ts';
import { terminalStatus } from '../../../device/status.ts';
import type { Notice } from '../../../protocol/machines/effects.ts';
import { type Commands, memoryUse, observer, say, takeCommands } from './console.ts';
import { type Board, ready, startBoard } from './device.ts';
import { lanesMax, outboxMax } from './limits.ts';
import { serialUplink, tapLinks } from './link.ts';

/** Builds the terminal of a provisioned board and serves; `role` adds what its kind does. */
export function runTerminal(
  role: 'pos' | 'charger',
  join: (
    device: TerminalDevice,
    board: Board,
  ) => { commands: Commands; onNotice?: (notice: Notice) => void; status?: () => Record<string, unknown> },
): void {
  const started = startBoard(role);
  if (started === undefined) return;
  const { settings, signing, host, storage } = started;
  let onNotice: ((notice: Notice) => void) | undefined;
  const device = terminalDevice(
    signing,
    {
      hub: settings.hub,
      timing: settings.timing,
      role,
      scheme: 'secp256k1',
      payee: settings.payee,
      certificate: settings.certificate,
      capTotal: settings.capTotal,
      ...(settings.wideMax !== undefined && { wideMax: settings.wideMax }),
      outboxMax,
      lanesMax,
      entropyCertified: host.entropy.certified,
    },
    host,
    storage,
    {
      ...observer,
      onNotice(notice) {
        observer.onNotice(notice);
        onNotice?.(notice);
      },
    },
  );
  const joined = join(device, started);
  onNotice = joined.onNotice;
  takeCommands({
    ...joined.commands,
    status: () => {
      say({
        event: 'status',
        ...terminalStatus(device.state.books),
        ...joined.status?.(),
        frozen: device.frozen,
        memory: memoryUse(),
      });
    },
  });
  void device.start().then(() => {
    tapLinks((link) => device.attachLink(link));
    device.attachUplink(serialUplink());
    ready();
  });
}

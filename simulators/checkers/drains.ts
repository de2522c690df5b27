/**
 * After faults stop, outboxes empty and every voucher gets its answer, within a bounded virtual time.
 *
 * Not checked here: how soon it happens within the drain, dishonest payers, devices that are frozen or whose key is dead, and
 * whether leases are renewed again.
 */
import type { MakeChecker } from './checker.ts';

export const drains: MakeChecker = (simulation, report) => ({
  name: 'drains',
  finished() {
    for (const { device } of simulation.fleet.terminals) {
      if (device.frozen) {
        if (!simulation.isDamaged(device)) report(`${device.name} froze although nothing was damaged`);
        continue;
      }
      // Whose key is dead begins anew again and again; what it holds is read out of its journal.
      if (device.key.dead) continue;
      const { outbox } = device.storedBooks;
      if (outbox.length > 0)
        report(`${device.name} still holds ${outbox.length} entries (${outbox[0]!.kind}) for the hub`);
    }
    for (const { device, honest } of simulation.fleet.payers) {
      if (device.frozen && !simulation.isDamaged(device))
        report(`${device.name} froze although nothing was damaged`);
      if (device.frozen || device.key.dead || !honest) continue;
      const { unconfirmed, outbox } = device.storedBooks;
      const open = unconfirmed.filter(
        (entry) =>
          !simulation.isFrozenTerminal(entry.kind === 'tick' ? entry.terminal : entry.request.terminal),
      );
      if (open.length > 0) report(`${device.name} still has ${open.length} vouchers without an answer`);
      if (outbox.length > 0) report(`${device.name} still holds ${outbox.length} copies for the hub`);
    }
  },
});

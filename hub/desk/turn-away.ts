/** A device that the operator revoked is registered no more. What it has is taken as ever: it is its payee's money. */
import { decodeMessage } from '../../protocol/wire/messages.ts';
import type { Logger } from '../log.ts';
import type { IngestEvents } from '../ports.ts';
import type { Desk } from './desk.ts';

/** The same events, without registrations of revoked devices. */
export function turnsAway(desk: Pick<Desk, 'isRevoked'>, events: IngestEvents, log: Logger): IngestEvents {
  return {
    ...events,
    async message(device, bytes) {
      if (desk.isRevoked(device) && isRegistration(bytes)) {
        log.info({ device }, 'a revoked device wants to register');
        return;
      }
      await events.message(device, bytes);
    },
  };
}

function isRegistration(bytes: Uint8Array): boolean {
  const decoded = decodeMessage(bytes, 'sync');
  return decoded.ok && decoded.message?.type === 'register';
}

/** A payer that somebody carries: above the limit of its owner it asks that person, and pays nothing without a yes. */
import type { Person } from '../../hardware/interfaces/index.ts';
import type { Notice } from '../../protocol/machines/effects.ts';
import type { PayerDevice } from '../devices.ts';

/** A wearable: a person in front of a payer's machine. */
export class Wearable {
  private readonly device: Pick<PayerDevice, 'dispatch'>;
  private readonly person: Person;

  constructor(device: Pick<PayerDevice, 'dispatch'>, person: Person) {
    this.device = device;
    this.person = person;
  }

  /** To be called with every notice of the device. */
  onNotice(notice: Notice): void {
    if (notice.type !== 'confirmWanted') return;
    const { request, amount, payee } = notice;
    this.person.asks(
      { amount, payee },
      (yes) => void this.device.dispatch({ type: 'confirm', request, yes }),
    );
  }
}

/** The hub's own radio: it is the central of every device nearby that wants to sync, as `sundial gateway --ble` is. */
import type { HubOptions } from '../hub.ts';
import { errorFields } from '../errors.ts';
import { bleGateway } from '../../hardware/boards/node/links/gateway.ts';

/** Between two looks for a radio that is not there: BlueZ may start after the hub does, milliseconds. */
const RETRY_MS = 5_000;

/** What became of the radio: `code`, `message` and `remedy` while it is away. */
export type RadioState = { readonly served: boolean } & Readonly<Record<string, unknown>>;

/**
 * Serves devices nearby until the returned function is called. A radio that is away holds up nothing: `say` hears of it, and it
 * is looked for.
 */
export const nearDevices =
  (say: (state: RadioState) => void): NonNullable<HubOptions['near']> =>
  ({ adapter }, uplink, log) => {
    let stopped = false;
    let stop: (() => void) | undefined;
    let timer: NodeJS.Timeout | undefined;
    let said: unknown;
    const open = async (): Promise<void> => {
      try {
        const close = await bleGateway({ adapter, open: uplink });
        if (stopped) return close();
        stop = close;
        log.info({ adapter }, 'devices nearby are served by Bluetooth');
        say({ served: true });
      } catch (error) {
        const fields = errorFields(error);
        // Once, not with every look.
        if (fields.code !== said) {
          log.error(fields, 'no Bluetooth yet; it is looked for');
          say({ served: false, ...fields });
        }
        said = fields.code;
        if (!stopped) timer = setTimeout(() => void open(), RETRY_MS);
      }
    };
    void open();
    return () => {
      stopped = true;
      clearTimeout(timer);
      stop?.();
    };
  };

/**
 * Strict schemas for all three versions. The library's own list names those of 2.1 in another way than its check looks
 * them up (`urn:BootNotificationRequest` for `urn:BootNotification.req`), so they get the names that are looked up.
 */
import { createRequire } from 'node:module';
import { createValidator } from 'ocpp-rpc';

/** In the order in which a charge point that offers several is answered. */
export const PROTOCOLS = ['ocpp2.1', 'ocpp2.0.1', 'ocpp1.6'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

interface Schema {
  readonly $id: string;
}

const renamed = ({ $id, ...schema }: Schema): Schema => ({
  ...schema,
  $id: $id.replace(/Request$/, '.req').replace(/Response$/, '.conf'),
});

/** Texts have no properties; that these schemas forbid them to have more is a warning a line otherwise. */
function ofObjects(_key: string, value: unknown): unknown {
  const { type, additionalProperties, ...rest } = Object(value) as Record<string, unknown>;
  return typeof type === 'string' && type !== 'object' && additionalProperties !== undefined
    ? { type, ...rest }
    : value;
}

const read = createRequire(import.meta.url);
const schemasOf21 = (): Schema[] =>
  JSON.parse(JSON.stringify(read('ocpp-rpc/lib/schemas/ocpp2_1.json')), ofObjects) as Schema[];

/** What `RPCServer` and `RPCClient` need for strict checks both ways. */
export const strict = {
  strictMode: true,
  strictModeValidators: [createValidator('ocpp2.1', schemasOf21().map(renamed))],
};

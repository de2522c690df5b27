/** The hub's configuration, checked once at the edge. An error names the field and says what to put there. */
import { z } from 'zod';
import { SundialError } from '../protocol/errors.ts';
import { UINT48_MAX } from '../protocol/integers.ts';
import { checkTiming, DEFAULT_TIMING } from '../protocol/limits.ts';
import { clockErrorMax, nodesMax, watchLagMax } from './limits.ts';

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'want an address: 0x and 40 hex digits')
  .transform((text) => text.toLowerCase() as `0x${string}`);
const secret = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, 'want a private key: 0x and 64 hex digits')
  .transform((text) => text as `0x${string}`);
const bytes32 = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, 'want 32 bytes: 0x and 64 hex digits')
  .transform((text) => text.toLowerCase() as `0x${string}`);
const port = z.int('want a port number, 0 for any free one').min(0).max(65_535);
const span = (min: number, max: number) =>
  z.int().min(min, `want ${min} or more`).max(max, `want ${max} or less`);
const url = (schemes: readonly string[]) =>
  z
    .string()
    .refine((text) => schemes.some((scheme) => text.startsWith(`${scheme}://`) && URL.canParse(text)), {
      message: `want a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
    });

/** A key here, or one that a signer holds, with the token that lets the hub in. */
const signingKey = z.union([
  secret,
  z.strictObject({ url: url(['http', 'https']), token: z.string().min(16, 'want the token of the signer') }),
]);

/** Spans of the money rules, seconds: a hub's, and those that its vault was made with. */
export const timingSchema = z.strictObject({
  leaseLifetime: span(60, 30 * 86_400).default(DEFAULT_TIMING.leaseLifetime),
  payeeOfflineMax: span(60, 90 * 86_400).default(DEFAULT_TIMING.payeeOfflineMax),
  watchLag: span(1, watchLagMax).default(DEFAULT_TIMING.watchLag),
  clockError: span(0, clockErrorMax).default(DEFAULT_TIMING.clockError),
  claimMargin: span(60, 30 * 86_400).default(DEFAULT_TIMING.claimMargin),
  slowLane: span(60, 30 * 86_400).default(DEFAULT_TIMING.slowLane),
  exitDelay: span(60, 365 * 86_400).default(DEFAULT_TIMING.exitDelay),
});

const configSchema = z.strictObject({
  /** Part of every MQTT topic. */
  name: z.string().regex(/^[a-z0-9-]{1,32}$/, 'want 1 to 32 of a-z, 0-9 and -'),
  /** Folder for ledger and registry; only this hub may use it. */
  folder: z.string().min(1, 'want a folder path'),
  /**
   * A PostgreSQL database of the hub's own, which holds ledger and registry in the folder's place, so that any number of
   * workers can serve the hub; they need a broker of their own kind, too (`mqtt.url`).
   */
  database: z.strictObject({ url: url(['postgres', 'postgresql']) }).optional(),
  /** An own broker on `host` and `port`, or with `url` an existing one. */
  mqtt: z
    .strictObject({
      host: z.string().default('127.0.0.1'),
      port: port.default(0),
      url: url(['mqtt', 'mqtts', 'ws', 'wss']).optional(),
      /** What devices are told at enrolment, where it differs from what the hub itself connects to. */
      publicUrl: url(['mqtt', 'mqtts', 'ws', 'wss']).optional(),
      username: z.string().optional(),
      password: z.string().optional(),
      /** Of a mosquitto with that plugin: a user for each device, made when it is enrolled. */
      users: z.literal('dynamic-security', 'want dynamic-security, or nothing').optional(),
      /**
       * Of the own broker. `required`: devices log in with their keys, or stay out (behind a gateway they can't).
       * `offered`: only the name of a device that did is kept from others, while it is there.
       */
      login: z.enum(['required', 'offered'], 'want required or offered').default('offered'),
      /** Of the own broker, which then speaks TLS: files with its certificate chain and its key, PEM. */
      tls: z
        .strictObject({
          certificate: z.string().min(1, 'want a file'),
          key: z.string().min(1, 'want a file'),
        })
        .optional(),
    })
    .default({ host: '127.0.0.1', port: 0, login: 'offered' }),
  /** Devices over this machine's own Bluetooth, too, as if a gateway stood here. Needs BlueZ and an adapter. */
  ble: z
    .strictObject({
      /** Such as hci1; absent: the first. */
      adapter: z
        .string()
        .regex(/^hci\d{1,3}$/, 'want an adapter, such as hci0')
        .optional(),
    })
    .optional(),
  /** Metrics and status; loopback unless a proxy with access control stands in front. */
  http: z
    .strictObject({
      host: z.string().default('127.0.0.1'),
      port: port.default(0),
      /**
       * Where people reach the pages through a proxy, such as https://hub.example. Owners sign in with their wallets under
       * this name; absent: only where the hub is localhost.
       */
      origin: url(['https', 'http'])
        .refine((text) => !URL.canParse(text) || new URL(text).pathname === '/', {
          message: 'want an origin without a path, such as https://hub.example',
        })
        .optional(),
    })
    .default({ host: '127.0.0.1', port: 0 }),
  chain: z.strictObject({
    /** One node, or several that must agree about what is final. */
    rpcUrl: z
      .union([
        url(['http', 'https']),
        z
          .array(url(['http', 'https']))
          .min(1, 'want a URL')
          .max(nodesMax, `want ${nodesMax} URLs or fewer`),
      ])
      .transform((urls) => (typeof urls === 'string' ? [urls] : urls))
      .refine((urls) => new Set(urls).size === urls.length, {
        message: 'want each URL once: a node always agrees with itself',
      }),
    chainId: z.int().min(1, 'want the chain id of the L2').max(UINT48_MAX),
    vault: address,
    /** First block that can hold events of the vault. */
    startBlock: span(0, UINT48_MAX).default(0),
    /** Blocks on top of a block before it counts as final. Absent: what the chain says is `finalized`. */
    finalityBlocks: span(0, 100_000).optional(),
    pollMs: span(50, 60_000).default(2_000),
    /** Milliseconds that a node may take for one answer. */
    timeoutMs: span(100, 60_000).default(10_000),
    /** The most that a transaction offers, gwei a gas: a node's suggestion is followed up to here. */
    feeMaxGwei: span(1, 1_000_000).default(500),
  }),
  keys: z.strictObject({
    /** Sign acknowledgements, leases and beacons: one, or several that follow each other as the root certified them. */
    signing: z.union([signingKey.transform((one) => [one]), z.array(signingKey).min(1, 'want a key').max(8)]),
    /** Address of the root, the cold key that certifies and revokes those. Devices pin it. */
    root: address,
    /** What the root signed (`sundial hub-key certify`), as it was printed; `sundial hub-key install` adds more. */
    words: z
      .array(z.string().regex(/^0x([0-9a-f]{2})+$/, 'want what hub-key printed'))
      .max(64)
      .default([]),
    /** Pays the gas of settlements. */
    settlement: secret,
    /**
     * The operator's account in the registry on L2. With it the hub vouches for the payees of its desk and anchors its log by
     * itself; without, it carries the root's words only, and the rest is left to commands.
     */
    operator: secret.optional(),
  }),
  /** What the hub tells the registry on L2 by itself. */
  registry: z
    .strictObject({
      /** Milliseconds between two looks at what L2 lacks; what the root or the desk says goes there at once. 0: never. */
      everyMs: span(0, 86_400_000).default(60_000),
      /** Seconds between two anchors of the log, one transaction of some 55,000 gas each; 0: none. */
      anchorEvery: span(0, 366 * 86_400).default(86_400),
    })
    .default({ everyMs: 60_000, anchorEvery: 86_400 }),
  timing: timingSchema.default(DEFAULT_TIMING),
  /** Scopes that leases may name, each with the payees whose terminals may become members. */
  scopes: z
    .array(z.strictObject({ id: bytes32, payees: z.array(address).max(1_000) }))
    .max(1_000)
    .default([]),
  /** Sign leases for any terminal whose merchant takes them, too: nothing covers what a copied payer does with one. */
  leaseAnyScope: z.boolean().default(false),
  batch: z
    .strictObject({
      /** Milliseconds between two looks for lanes to settle; 0 settles only when asked. */
      everyMs: span(0, 86_400_000).default(60_000),
      /** Lanes of one transaction: 1,000 stay below 16.8 million gas, the cap of one transaction. */
      lanesMax: span(1, 1_000).default(1_000),
      /**
       * Transactions under way at once, with nonces one after the other: more settle more while L2 makes up its mind
       * about the first. Each is looked up at every poll; nodes keep 16 of an account for sure.
       */
      inFlightMax: span(1, 16).default(16),
      /**
       * Smallest rise of a lane worth its gas, units: below it a lane waits, unless the owner of its channel is leaving
       * or the payer was found to cheat.
       */
      laneMin: span(1, UINT48_MAX).default(1),
    })
    .default({ everyMs: 60_000, lanesMax: 1_000, inFlightMax: 16, laneMin: 1 }),
  /** Who else is told what happens here: what a webhook may reach, and when it is told of devices. */
  webhooks: z
    .strictObject({
      /** Hosts (with a port where the URL has one) that need not be public, such as erp.local:8443; plain http, too. */
      hosts: z.array(z.string().min(1).max(260)).max(100).default([]),
      /** Seconds without contact after which a device is told as gone. */
      goneAfter: span(60, 366 * 86_400).default(86_400),
    })
    .default({ hosts: [], goneAfter: 86_400 }),
  /**
   * Acts about money want a second operator: merchants that come and go, operators that are added, and withdrawals that
   * come to more than `above` units in a UTC day. Absent: one person is enough.
   */
  approvals: z.strictObject({ above: span(0, UINT48_MAX) }).optional(),
  /** Where spans of payments go, OTLP over HTTP: a collector's /v1/traces. Absent: nowhere. */
  traces: z.strictObject({ url: url(['http', 'https']) }).optional(),
  /** Milliseconds between beacons. */
  beaconMs: span(100, 3_600_000).default(60_000),
  /** Take devices whose keys come from a board without real entropy. For trying out, never for money. */
  development: z.boolean().default(false),
});

/** What `parseConfig` returns: every default filled in. */
export type HubConfig = z.infer<typeof configSchema>;
/** What may be written in a file: defaults may be left out. */
export type HubConfigInput = z.input<typeof configSchema>;

/** Checks a configuration. Throws SundialError `config` that names the first wrong field and the fix. */
export function parseConfig(input: unknown): HubConfig {
  const checked = configSchema.safeParse(input);
  if (!checked.success) {
    const issue = checked.error.issues[0]!;
    const field =
      issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]].join('.') : issue.path.join('.');
    throw new SundialError('config', `${field || 'configuration'}: ${issue.message}`, {
      severity: 'process',
      remedy:
        issue.code === 'unrecognized_keys'
          ? `Remove ${field}, or correct its spelling.`
          : `Correct ${field || 'the configuration'}: ${issue.message}.`,
      facts: { field },
    });
  }
  const { database, mqtt } = checked.data;
  if (database !== undefined && mqtt.url === undefined)
    throw new SundialError(
      'config',
      'mqtt.url: want a broker that all workers reach, since database is set',
      {
        severity: 'process',
        remedy: 'Name an MQTT broker with shared subscriptions in mqtt.url, such as mosquitto.',
        facts: { field: 'mqtt.url' },
      },
    );
  const lacksUser = mqtt.url === undefined || mqtt.username === undefined || mqtt.password === undefined;
  if (mqtt.users !== undefined && lacksUser)
    throw new SundialError('config', 'mqtt.users: want mqtt.url, mqtt.username and mqtt.password, too', {
      severity: 'process',
      remedy: 'Put there what `sundial hub mosquitto` printed, or take mqtt.users out.',
      facts: { field: 'mqtt.users' },
    });
  if (checked.data.ble !== undefined && mqtt.login === 'required')
    throw new SundialError('config', 'ble: nobody logs in over a radio, and mqtt.login wants that', {
      severity: 'process',
      remedy: 'Set mqtt.login to offered, or take ble out.',
      facts: { field: 'ble' },
    });
  checkTiming(checked.data.timing);
  return checked.data;
}

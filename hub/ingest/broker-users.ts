/**
 * Users of a mosquitto with its dynamic security plugin: one a device, made when the device is enrolled, who may use that
 * device's own topics and no others. Passwords follow from the hub's own and the device's address, so a device that asks
 * again is told the same, and the hub keeps none.
 */
import { createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import mqtt from 'mqtt';
import { SundialError } from '../../protocol/errors.ts';
import { deviceTopics, hubTopics } from '../../protocol/wire/topics.ts';
import { causeText } from '../errors.ts';

const CONTROL = '$CONTROL/dynamic-security/v1';
/** How long the broker may take to do something, milliseconds. */
const ANSWER_MS = 10_000;
/** What mosquitto derives a password's sum with. */
const ITERATIONS = 101;
const HASH_BYTES = 64;
const SALT_BYTES = 12;
/** What everybody may: the hub's beacon and its list of revoked channels. */
const EVERYBODY = 'device';

/** Which broker, and the hub's own user there. */
export interface BrokerUsersOptions {
  readonly hub: string;
  readonly url: string;
  readonly username: string;
  readonly password: string;
}

interface Acl {
  readonly acltype: 'publishClientSend' | 'publishClientReceive' | 'subscribeLiteral' | 'subscribePattern';
  readonly topic: string;
  readonly allow: true;
}

const may = (acltype: Acl['acltype'], topic: string): Acl => ({ acltype, topic, allow: true });

/** What a device may: its own topics, by their whole names. */
function aclsOfDevice(hub: string, device: string): Acl[] {
  const { up, down, state } = deviceTopics(hub, device);
  return [may('publishClientSend', up), may('publishClientSend', state), may('subscribeLiteral', down)];
}

/** Makes users at the broker. */
export class BrokerUsers {
  private readonly options: BrokerUsersOptions;

  constructor(options: BrokerUsersOptions) {
    this.options = options;
  }

  /** Makes the user of a device where there is none; resolves with its password. Rejects with `broker_users`. */
  async add(device: string): Promise<string> {
    const { hub } = this.options;
    const password = createHmac('sha256', this.options.password).update(`sundial device ${device}`);
    const text = password.digest('base64url');
    const rolename = `device-${device}`;
    await this.ask([
      { command: 'createRole', rolename, acls: aclsOfDevice(hub, device) },
      {
        command: 'createClient',
        username: device,
        password: text,
        roles: [{ rolename }, { rolename: EVERYBODY }],
      },
      // Of one that was there: its password may be of another hub's time.
      { command: 'setClientPassword', username: device, password: text },
    ]);
    return text;
  }

  private async ask(commands: readonly Record<string, unknown>[]): Promise<void> {
    const { url, username, password } = this.options;
    const client = mqtt.connect(url, { username, password, reconnectPeriod: 0, connectTimeout: ANSWER_MS });
    try {
      const answers = await new Promise<{ command: string; error?: string }[]>((resolve, reject) => {
        setTimeout(() => reject(new Error('it does not answer')), ANSWER_MS).unref();
        client.on('error', reject);
        client.on('close', () => reject(new Error('it ended the connection')));
        client.on('message', (_topic, payload) => {
          resolve(
            (JSON.parse(payload.toString()) as { responses: { command: string; error?: string }[] })
              .responses,
          );
        });
        client.on('connect', () => {
          client.subscribe(`${CONTROL}/response`, { qos: 1 }, (error) => {
            if (error) return reject(error);
            client.publish(CONTROL, JSON.stringify({ commands }), { qos: 1 });
          });
        });
      });
      const failed = answers.find(({ error }) => error !== undefined && !/already exists/.test(error));
      if (failed !== undefined) throw new Error(`${failed.command}: ${failed.error}`);
      if (answers.length < commands.length) throw new Error('it answers less than it was asked');
    } catch (cause) {
      throw new SundialError('broker_users', `the broker makes no user: ${causeText(cause)}`, {
        severity: 'call',
        remedy:
          'Look whether it runs with the configuration of `sundial hub mosquitto`, and mqtt.username and mqtt.password are those of that folder; then try again.',
        cause,
      });
    } finally {
      await client.endAsync(true);
    }
  }
}

/** An address with a user and its password in it, as a device is told it. */
export function urlFor(url: string, username: string, password: string): string {
  const named = new URL(url);
  named.username = username;
  named.password = password;
  return named.href;
}

/** What the plugin starts with: the hub's user, which makes all others. */
export function firstUsers(hub: string, username: string, password: string): object {
  const salt = randomBytes(SALT_BYTES);
  const { beacon, revocations } = hubTopics(hub);
  // Above all devices of this hub, whichever comes.
  const all = beacon.replace(/beacon$/, '#');
  return {
    defaultACLAccess: {
      publishClientSend: false,
      publishClientReceive: true,
      subscribe: false,
      unsubscribe: true,
    },
    clients: [
      {
        username,
        textName: `the hub ${hub}`,
        roles: [{ rolename: 'hub' }],
        password: pbkdf2Sync(password, salt, ITERATIONS, HASH_BYTES, 'sha512').toString('base64'),
        salt: salt.toString('base64'),
        iterations: ITERATIONS,
      },
    ],
    groups: [],
    roles: [
      {
        rolename: 'hub',
        acls: [
          may('publishClientSend', all),
          may('subscribePattern', all),
          // Workers share what devices say.
          may('subscribePattern', `$share/${hub}/${all}`),
          may('publishClientSend', '$CONTROL/dynamic-security/#'),
          may('subscribePattern', '$CONTROL/dynamic-security/#'),
          may('publishClientReceive', '$CONTROL/dynamic-security/#'),
        ],
      },
      {
        rolename: EVERYBODY,
        acls: [may('subscribeLiteral', beacon), may('subscribeLiteral', revocations)],
      },
    ],
  };
}

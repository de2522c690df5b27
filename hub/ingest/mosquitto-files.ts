/** The files that mosquitto runs on as a hub's broker: listeners, bounds, and who may what. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SYNC_MESSAGE_BYTES_MAX } from '../../protocol/limits.ts';
import { brokerClientsMax } from '../limits.ts';

/** Topic, packet id and properties around the largest message. */
const PACKET_OVERHEAD_BYTES = 1_024;
const PLUGIN = 'mosquitto_dynamic_security.so';

/** Where things are. Paths as mosquitto sees them. */
export interface MosquittoWishes {
  readonly hub: string;
  /** Folder that holds `dynamic-security.json` and what the broker keeps; its user writes there. */
  readonly folder: string;
  readonly plugin: string;
  readonly devices: {
    /** Absent: all addresses. */
    readonly host?: string;
    readonly port: number;
    /** PEM files. */
    readonly certificate: string;
    readonly key: string;
    /** PEM file of who signs the devices' certificates, which then stand in place of passwords: CN is the device's address. */
    readonly clientCa?: string | undefined;
  };
  /** Where the hub and its workers connect; anything but loopback speaks TLS, too. */
  readonly own: { readonly host: string; readonly port: number };
}

/** Where Debian's package, and others, put the plugin; undefined: it is not there. */
export function dynamicSecurityPlugin(): string | undefined {
  const multiarch = existsSync('/usr/lib')
    ? readdirSync('/usr/lib').filter((name) => name.includes('-linux-'))
    : [];
  const folders = [
    ...multiarch.map((name) => join('/usr/lib', name)),
    '/usr/lib',
    '/usr/lib64',
    '/usr/local/lib',
  ];
  return folders.map((folder) => join(folder, PLUGIN)).find(existsSync);
}

/** mosquitto.conf. */
export function mosquittoConf({ hub, folder, plugin, devices, own }: MosquittoWishes): string {
  const tls = [`certfile ${devices.certificate}`, `keyfile ${devices.key}`, 'tls_version tlsv1.2'];
  const isLoopback = /^(127\.|::1$|localhost$)/.test(own.host);
  return `# The broker of the hub ${hub}. Made by \`sundial hub mosquitto\`.
allow_anonymous false
plugin ${plugin}
plugin_opt_config_file ${join(folder, 'dynamic-security.json')}
persistence true
persistence_location ${folder.endsWith('/') ? folder : `${folder}/`}
log_dest stderr

# What anybody can make it keep. Devices keep what they say until the hub has signed for it.
max_packet_size ${SYNC_MESSAGE_BYTES_MAX + PACKET_OVERHEAD_BYTES}
max_inflight_messages 64
max_queued_messages 256
max_queued_bytes ${16 * SYNC_MESSAGE_BYTES_MAX}
queue_qos0_messages false
persistent_client_expiration 1h

# Devices. Their client id is their user's name, whatever they say: nobody puts another one out.
listener ${devices.port}${devices.host === undefined ? '' : ` ${devices.host}`}
max_connections ${10 * brokerClientsMax}
max_qos 1
use_username_as_clientid true
${[
  ...tls,
  ...(devices.clientCa === undefined
    ? []
    : [`cafile ${devices.clientCa}`, 'require_certificate true', 'use_identity_as_username true']),
].join('\n')}

# The hub and its workers, each with a client id of its own.
listener ${own.port} ${own.host}
max_connections 100
${isLoopback ? '' : `${tls.join('\n')}\n`}`;
}

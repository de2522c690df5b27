/**
 * MQTT topics. Messages travel on up and down with QoS 1; the three others are retained, so that whoever connects
 * sees the last value at once. A transport's acknowledgement is no receipt: only the hub's signed one is.
 */

const ROOT = 'sundial/1';

/**
 * May it stand in a topic as the name of a device? 1 to 64 letters, digits, dots, dashes and underscores, of which the first
 * is a letter or a digit: no wildcard that would match other devices, no level of its own, no name of JavaScript's own.
 */
export const isDeviceName = (name: string): boolean => /^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$/.test(name);

/** Topics of one device: `up` to the hub, `down` from it, `state` is "online" or (last will) "offline". */
export const deviceTopics = (hub: string, device: string) => ({
  up: `${ROOT}/${hub}/${device}/up`,
  down: `${ROOT}/${hub}/${device}/down`,
  state: `${ROOT}/${hub}/${device}/state`,
});

/** Topics that the hub keeps for everyone: the newest beacon and the list of revoked channels. */
export const hubTopics = (hub: string) => ({
  beacon: `${ROOT}/${hub}/beacon`,
  revocations: `${ROOT}/${hub}/revocations`,
});

/** Where the hub tries a broker out: nobody else writes or listens there. `name`: of one trial, 1 to 64 letters and digits. */
export const probeTopic = (hub: string, name: string): string => `${ROOT}/${hub}/probe/${name}`;

/** The device and kind of a topic under this hub, or undefined when it is none of a device. */
export function parseDeviceTopic(
  hub: string,
  topic: string,
): { readonly device: string; readonly kind: 'up' | 'down' | 'state' } | undefined {
  const parts = topic.split('/');
  const [root, version, topicHub, device, kind] = parts;
  if (parts.length !== 5 || `${root}/${version}` !== ROOT || topicHub !== hub) return undefined;
  if (device === undefined || !isDeviceName(device)) return undefined;
  return kind === 'up' || kind === 'down' || kind === 'state' ? { device, kind } : undefined;
}

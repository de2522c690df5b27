/**
 * A whole hub whose own broker speaks TLS, as its configuration says: it reaches that broker itself, and files that it
 * can't read are named. Not checked here: who is let in (doors.test), and brokers that others run.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { SundialError } from '../../protocol/errors.ts';
import { hubTopics } from '../../protocol/wire/topics.ts';
import { type Site, startSite } from './site.ts';
import { inTemporaryFolder, until } from './temporary.ts';

let site: Site;
test.before(async () => {
  site = await startSite();
});
test.after(() => site.close());

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
(hasOpenssl ? test : test.skip)(
  'a hub speaks TLS at its own broker and hears itself there (needs openssl: apt-get install openssl)',
  () =>
    inTemporaryFolder(async (home) => {
      const [certificate, key] = [join(home, 'cert.pem'), join(home, 'key.pem')];
      const words =
        'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=hub -addext subjectAltName=IP:127.0.0.1';
      const made = spawnSync('openssl', [...words.split(' '), '-keyout', key, '-out', certificate]);
      assert.is(made.status, 0, String(made.stderr));
      const own = (tls: { certificate: string; key: string }) => ({
        mqtt: { host: '127.0.0.1', port: 0, login: 'offered' as const, tls },
      });
      const hub = await site.start(join(home, 'hub'), own({ certificate, key }));
      try {
        assert.match(hub.mqttUrl, /^mqtts:/);
        const client = await mqtt.connectAsync(hub.mqttUrl, { ca: readFileSync(certificate) });
        let beacons = 0;
        client.on('message', () => {
          beacons += 1;
        });
        await client.subscribeAsync(hubTopics('test').beacon);
        await until('a beacon of the hub', () => beacons > 0);
        await client.endAsync();
      } finally {
        await hub.stop();
      }
      const code = await site
        .start(join(home, 'other'), own({ certificate, key: join(home, 'none.pem') }))
        .then(
          () => 'started',
          (error: SundialError) => error.code,
        );
      assert.is(code, 'broker_tls');
    }),
);

test.run();

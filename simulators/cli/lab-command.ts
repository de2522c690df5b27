/** `sundial lab`: a chain, a hub and devices as processes, their links and their time in a tester's hands, over HTTP. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { fail, makeOutput } from '../../hardware/boards/node/cli/output.ts';
import { SundialError } from '../../protocol/errors.ts';
import { makeLabServer } from '../lab/api.ts';
import { Lab } from '../lab/lab.ts';

interface Flags {
  readonly http: string;
  readonly json: boolean;
}

async function run(flags: Flags): Promise<void> {
  const output = makeOutput('lab', flags.json);
  const port = Number(flags.http);
  if (!/^\d{1,5}$/.test(flags.http) || port > 65_535)
    throw new SundialError('bad_http', `"${flags.http}" is no port`, {
      severity: 'call',
      remedy: 'Give a port; 0 takes any that is free.',
    });
  const folder = mkdtempSync(join(tmpdir(), 'sundial-lab-'));
  const lab = await Lab.start(folder, (text) => output.say(text, { event: 'starting' }));
  const { server, token } = makeLabServer(lab);
  const url = await server.listen({ host: '127.0.0.1', port });
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    void server
      .close()
      .then(() => lab.stop())
      .then(() => {
        rmSync(folder, { recursive: true, force: true });
        process.exit(0);
      }, fail);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  output.say(`${url}/openapi.json; Authorization: Bearer ${token}`, { event: 'ready', url, token, folder });
}

/** Adds `sundial lab`. */
export function addLabCommand(program: Command): void {
  program
    .command('lab')
    .description(
      'a chain, a hub and devices as processes, with links, faults and time in your hands over HTTP, for tests in any ' +
        'language: see examples/',
    )
    .option('--http <port>', 'port on this machine; 0 takes any that is free', '0')
    .option('--json', 'one JSON object a line on stdout; `ready` has url and token', false)
    .action((flags: Flags) => run(flags).catch(fail));
}

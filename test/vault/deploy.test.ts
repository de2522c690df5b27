/**
 * `sundial deploy` against a real node: the same addresses on every chain, a second run that changes nothing, accounts of
 * their own for the roles, and `verify`. Not checked here: other people's chains, and what the contracts do.
 */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { privateKeyToAccount } from 'viem/accounts';
import { startAnvil } from '../../hub/l2/anvil.ts';
import { readArtifacts } from '../../hub/l2/artifacts.ts';
import { connect } from '../../hub/l2/chain.ts';
import { planDeployment } from '../../hub/l2/deploy.ts';
import { checkChain, hasP256 } from '../../hub/l2/networks.ts';

const deploys = suite('deployment');

interface Ran {
  readonly code: number;
  readonly out: Record<string, unknown>;
  readonly error: string;
}

/** Runs the command as an operator does. */
const sundial = (...args: readonly string[]): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      ['tools/sundial.mjs', 'deploy', ...args, '--json'],
      (error, stdout, stderr) => {
        const out = stdout === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>);
        resolve({ code: error === null ? 0 : Number(error.code), out, error: stderr });
      },
    );
  });

deploys('the same addresses on every chain, and a second run changes nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sundial-deploy-'));
  const file = join(folder, 'addresses.json');
  const seen: unknown[] = [];
  try {
    for (const network of [undefined, 'optimism'] as const) {
      const anvil = await startAnvil(network === undefined ? {} : { network, chainId: 10 });
      try {
        const to = ['--rpc', anvil.url, '--key', anvil.keys[0]!];
        const first = await sundial(...to, '--out', file);
        assert.is(first.code, 0, first.error);
        assert.is(first.out.made, 7);
        const height = await connect(anvil.url).getBlockNumber();
        const again = await sundial(...to);
        assert.is(again.out.made, 0);
        assert.is(await connect(anvil.url).getBlockNumber(), height, 'nothing was sent');
        const { vault, pots, registry, reserve, token, timelock, mandates, splits } = first.out;
        assert.equal([again.out.vault, again.out.pots, again.out.registry], [vault, pots, registry]);
        seen.push({ vault, pots, registry, reserve, token, timelock, mandates, splits });
        const verified = await sundial('verify', '--rpc', anvil.url, '--addresses', file);
        assert.is(verified.out.verified, true, verified.error);
        const altered = { ...JSON.parse(readFileSync(file, 'utf8')), pots: anvil.keys[0]!.slice(0, 42) };
        writeFileSync(file, JSON.stringify(altered));
        const wrong = await sundial('verify', '--rpc', anvil.url, '--addresses', file);
        assert.equal([wrong.code, wrong.out.wrong], [1, ['pots']]);
      } finally {
        await anvil.stop();
      }
    }
    assert.equal(seen[0], seen[1]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

deploys('a real network wants its own chain, a token, and an account for each role', async () => {
  const anvil = await startAnvil({ chainId: 8453 });
  try {
    const accounts = anvil.keys.map((key) => privateKeyToAccount(key).address);
    const to = ['--rpc', anvil.url, '--key', anvil.keys[0]!, '--network'];
    const roles = ['guardian', 'operator', 'proposer', 'root', 'settler', 'hub-key'];
    const given = (first: number) => roles.flatMap((role, i) => [`--${role}`, accounts[first + i]!]);
    const refused = async (code: string, ...args: readonly string[]) => {
      const { code: status, error } = await sundial(...args);
      assert.is(status, 1);
      assert.match(error, new RegExp(`"code":"${code}"`));
    };
    await refused('unknown_network', ...to, 'mainnet');
    await refused('missing_roles', ...to, 'base');
    await refused('shared_roles', ...to, 'base', ...given(0), '--token', accounts[9]!);
    await refused('missing_token', ...to, 'base', ...given(1));
    await refused('wrong_chain', ...to, 'optimism', ...given(1), '--token', accounts[9]!);
    await refused('bad_address', ...to, 'base', ...given(1), '--token', '0x12');
    await refused('bad_key', '--rpc', anvil.url, '--key', '0x12');
    await refused('missing_flag', '--rpc', anvil.url);
    await refused('bad_addresses', 'verify', '--rpc', anvil.url, '--addresses', 'nowhere.json');
  } finally {
    await anvil.stop();
  }
});

deploys('a chain is looked at before money goes there', async () => {
  const old = await startAnvil({ hardfork: 'prague', extra: ['--gas-limit', '16000000'] });
  try {
    assert.is(await hasP256(connect(old.url)), false, 'no precompile');
    let code: string | undefined;
    await checkChain(connect(old.url), 'dev').catch((error: { code: string }) => {
      code = error.code;
    });
    assert.is(code, 'small_blocks');
  } finally {
    await old.stop();
  }
});

deploys('each parameter is part of the addresses', () => {
  const artifacts = readArtifacts('build/contracts');
  const one = `0x${'11'.repeat(20)}` as const;
  const two = `0x${'22'.repeat(20)}` as const;
  const vaultOf = (change: object) => planDeployment(one, artifacts, change).addresses.vault;
  const plain = vaultOf({});
  for (const change of [
    { root: two },
    { operator: two },
    { settler: two },
    { hubKey: two },
    { guardian: two },
    { proposer: two },
    { token: two },
    { bondShare: 2001 },
    { timelockDelay: 200_000 },
  ])
    assert.is.not(vaultOf(change), plain, Object.keys(change)[0]);
  assert.is(vaultOf({}), plain);
});

deploys('a vault is made with the spans of the hub that will settle in it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sundial-deploy-'));
  const file = join(folder, 'addresses.json');
  const config = join(folder, 'hub.json');
  const anvil = await startAnvil();
  try {
    const to = ['--rpc', anvil.url, '--key', anvil.keys[0]!];
    writeFileSync(config, JSON.stringify({ name: 'other', timing: { watchLag: 1800 } }));
    const made = await sundial(...to, '--timing', config, '--out', file);
    assert.is(made.code, 0, made.error);
    const verified = await sundial('verify', '--rpc', anvil.url, '--addresses', file);
    assert.is(verified.out.verified, true, verified.error);
    const plain = await sundial(...to);
    assert.is.not(plain.out.vault, made.out.vault, 'the spans are part of what a vault is');
    assert.is(plain.out.token, made.out.token);
    writeFileSync(config, JSON.stringify({ timing: { exitDelay: 60 } }));
    assert.match((await sundial(...to, '--timing', config)).error, /exitDelay/);
    writeFileSync(config, JSON.stringify({ timing: { watchlag: 60 } }));
    assert.match((await sundial(...to, '--timing', config)).error, /bad_timing|watchlag/);
  } finally {
    await anvil.stop();
    await rm(folder, { recursive: true });
  }
});

deploys.run();

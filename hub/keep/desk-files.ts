/**
 * What the operator's desk keeps beside the ledger: merchants and their keys, enrolled devices, tokens, webhooks, the audit log. A
 * restored hub without them would settle as ever, and its merchants could not withdraw what only their keys can.
 */
import { copyFile, mkdir, open, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';

/** Files of the desk in a hub's folder. The operator's own token is none: the restored hub makes another. */
const isDeskFile = (name: string): boolean =>
  /^(desk|tokens|passkeys|webhooks)\.json$|^audit\.jsonl(\.\d+)?$/.test(name);
const KEYS = 'payees';

/** Copies them, each whole or not at all and durable when it returns; what is not there is left out. Modes stay. */
export async function copyDesk(from: string, to: string): Promise<void> {
  const keys = await readdir(join(from, KEYS)).catch(() => []);
  if (keys.length > 0) await mkdir(join(to, KEYS), { recursive: true, mode: 0o700 });
  const names = [
    ...(await readdir(from)).filter(isDeskFile),
    ...keys.filter((name) => name.endsWith('.key')).map((name) => join(KEYS, name)),
  ];
  for (const name of names) {
    const aside = join(to, `${name}.copy`);
    await copyFile(join(from, name), aside);
    const file = await open(aside, 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, join(to, name));
  }
}

/**
 * A till's card reader in a process of its own: libpcsclite waits for pcscd without letting anything else run, and pcscd
 * waits for the cards, which are here.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../../hardware/boards/node/cli/paths.ts';
import type { Link } from '../../hardware/interfaces/index.ts';

/** What the processes tell each other; `link` numbers the links of the reader. */
export type ReaderSays =
  | { readonly type: 'link'; readonly link: number }
  | { readonly type: 'bytes'; readonly link: number; readonly bytes: Uint8Array }
  | { readonly type: 'closed'; readonly link: number }
  | { readonly type: 'end'; readonly why: string };
export type ReaderHears =
  | { readonly type: 'bytes'; readonly link: number; readonly bytes: Uint8Array }
  | { readonly type: 'close'; readonly link: number };

const FRAME_MAX = 255;

interface Receivers {
  onBytes(bytes: Uint8Array): void;
  onClosed(): void;
}

/** Starts one; resolves when the process runs. The answer ends it. */
export async function startReader(
  reader: number,
  onLink: (link: Link) => void,
  onEnd: (why: string) => void,
): Promise<() => Promise<void>> {
  const tool = pathToFileURL(join(projectRoot(), 'tools', 'bundle.mjs')).href;
  const { bundle } = (await import(tool)) as {
    bundle(entries: Record<string, string>, folder: string): Promise<void>;
  };
  await bundle({ 'links-reader': 'simulators/links/reader-main.ts' }, 'build/links');
  const child: ChildProcess = fork(join(projectRoot(), 'build/links/links-reader.mjs'), [String(reader)], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const links = new Map<number, Receivers>();
  const say = (message: ReaderHears): void => {
    if (child.connected) child.send(message);
  };
  child.on('message', (message: ReaderSays) => {
    if (message.type === 'end') return onEnd(message.why);
    const { link } = message;
    if (message.type === 'link') {
      onLink({
        frameSizeMax: FRAME_MAX,
        send: (bytes) => say({ type: 'bytes', link, bytes }),
        receive: (onBytes, onClosed) => void links.set(link, { onBytes, onClosed }),
        close: () => say({ type: 'close', link }),
      });
    } else if (message.type === 'bytes') links.get(link)?.onBytes(message.bytes);
    else {
      const receivers = links.get(link);
      links.delete(link);
      receivers?.onClosed();
    }
  });
  return async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
}

/** The process of simulators/links/reader-process.ts: the reader's number is its argument. */
import { cardReader } from '../../hardware/boards/node/links/nfc/reader.ts';
import type { Link } from '../../hardware/interfaces/index.ts';
import type { ReaderHears, ReaderSays } from './reader-process.ts';

const links = new Map<number, Link>();
let made = 0;
const say = (message: ReaderSays): void => void process.send!(message);

process.on('message', (message: ReaderHears) => {
  const link = links.get(message.link);
  if (message.type === 'bytes') link?.send(message.bytes);
  else link?.close();
});
process.on('disconnect', () => process.exit(0));
await cardReader({
  reader: Number(process.argv[2]),
  onLink(next) {
    made += 1;
    const link = made;
    links.set(link, next);
    next.receive(
      (bytes) => say({ type: 'bytes', link, bytes }),
      () => {
        links.delete(link);
        say({ type: 'closed', link });
      },
    );
    say({ type: 'link', link });
  },
  onEnd: (why) => say({ type: 'end', why }),
  say: () => undefined,
});

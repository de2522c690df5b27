import { board } from './natives.ts';
const t0 = board.ticks();
const d = new Uint8Array(32).fill(7),
  sig = new Uint8Array(64),
  a = new Uint8Array(20),
  b = new Uint8Array(20);
board.keyAddress(a);
const t1 = board.ticks();
board.keySign(d, sig);
const t2 = board.ticks();
board.secpRecover(d, sig, b);
const t3 = board.ticks();
board.keccak256(new Uint8Array(64), d);
const t4 = board.ticks();
board.sha256(new Uint8Array(64), d);
const t5 = board.ticks();
board.print(
  `boot ${t0 * 40} sign ${(t2 - t1) * 40} recover ${(t3 - t2) * 40} keccak ${(t4 - t3) * 40} sha ${(t5 - t4) * 40} ${a.join() === b.join()}\n`,
);
board.print(`ram ${[0, 1, 2, 3, 4, 5, 6].map((u) => board.memory(u)).join(' ')}\n`);
setTimeout(() => {
  board.print('timer\n');
}, 100);

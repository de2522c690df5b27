/** How much of the damage one run looks at, and the same with a payer that goes on signing. */
import { FLASH_KINDS, type FlashKind, type RamFlash } from '../../simulators/stage/flash/ram-flash.ts';
import { Pair } from '../device/pair.ts';
import { damageImage, damageVitals, type Density, emptyTally, EVERYTHING, type Tally } from './damage.ts';
import { cutImages, images } from './images.ts';

/** One place in so many, except for heads and marks, which are all looked at. */
const SOME: Density = { bits: 151, erasedBits: 331, words: 23, erasedWords: 61, reads: 3 };
/** After a power cut, when two things are wrong at once. */
const FEW: Density = { bits: 3001, erasedBits: 997, words: 151, erasedWords: 211, reads: 151 };

export async function damageCounts(deep: boolean): Promise<Tally> {
  const tally = emptyTally();
  const all = await images();
  for (const [i, image] of all.entries()) {
    // Heads and marks of plain NOR in every generation; of the other kinds, which share the code, in every second.
    if (deep || image.kind === 'nor' || image.generation % 2 === 0) damageVitals(tally, image);
    damageImage(tally, image, deep ? EVERYTHING : { ...SOME, bits: SOME.bits + (i % 7) });
  }
  const cut = cutImages(deep ? all : all.filter(({ generation }) => generation === 2));
  for (const image of cut) damageImage(tally, image, deep ? SOME : FEW);
  await signOn(tally, deep ? 1 : 9);
  return tally;
}

/** Bytes of the active bank's head, of its newest record and of the newest marks in a payer that paid once. */
function liveWords(flash: RamFlash): number[] {
  const found: number[] = [];
  for (let at = 0; at < flash.size; at += 4)
    if (flash.content.subarray(at, at + 4).some((byte) => byte !== 0xff)) found.push(at);
  return found;
}

/** Payers that have paid are damaged, started, and pay again: no seq may leave them with two different vouchers. */
async function signOn(tally: Tally, every: number): Promise<void> {
  for (const kind of FLASH_KINDS) {
    const words = liveWords((await paidOnce(kind)).flash.payer);
    for (const [i, at] of words.entries())
      for (const value of [0xff, 0]) {
        if ((i + value) % every !== 0) continue;
        const pair = await paidOnce(kind);
        pair.flash.payer.content.fill(value, at, at + 4);
        await pair.restart('payer');
        await payOnce(pair);
        const doubled = [...pair.signed.values()].some((vouchers) => vouchers.size > 1);
        const verdict = doubled ? 'doubledSeq' : pair.payer.frozen ? 'frozen' : 'right';
        tally.cases += 1;
        tally[verdict] += 1;
        if (doubled) tally.wrong.push(`${kind}: word ${at} as ${value}: a seq was signed twice`);
      }
  }
}

async function payOnce(pair: Pair): Promise<void> {
  pair.link();
  await pair.settle();
  await pair.sale(1000 + pair.signed.size);
  await pair.settle();
  pair.unlink();
}

async function paidOnce(kind: FlashKind): Promise<Pair> {
  const pair = await Pair.create(5, undefined, kind);
  await payOnce(pair);
  return pair;
}

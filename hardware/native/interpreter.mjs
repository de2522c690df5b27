// XS's interpreter with a few lines changed, for run.c. Each must stand exactly once in xsRun.c: another release of XS
// fails the build here, by name, and not at run time.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const opcode = '*((txU1*)mxCode)';
const changes = {
  // The next opcode is read where it is jumped to: kept in a variable, it is written to the stack and read again.
  'jumps to an opcode': [
    '#else\n\t\t#define mxBreak \\\n\t\t\tgoto *bytes[byte]',
    `#else\n\t\t#define mxBreak \\\n\t\t\tgoto *bytes[${opcode}]`,
  ],
  'goes on to the next opcode': [
    `#define mxNextCode(OFFSET) { \\\n\tmxCode += OFFSET; \\\n\tbyte = ${opcode}; \\\n}`,
    '#define mxNextCode(OFFSET) { \\\n\tmxCode += OFFSET; \\\n}',
  ],
  'begins with an opcode': [`#define mxFirstCode() \\\n\t\tbyte = ${opcode}`, '#define mxFirstCode()'],
  'awaits or yields': [
    'generator->next->next->value.integer = byte;',
    `generator->next->next->value.integer = ${opcode};`,
  ],
  'typeof of what is not there': ['if (byte != XS_CODE_TYPEOF)', `if (${opcode} != XS_CODE_TYPEOF)`],
  'equal, strictly or not': ['(XS_CODE_EQUAL == byte)', `(XS_CODE_EQUAL == ${opcode})`],
  'not equal, strictly or not': ['(XS_CODE_NOT_EQUAL == byte)', `(XS_CODE_NOT_EQUAL == ${opcode})`],
  'what `this` a variable has': [
    '(XS_CODE_GET_THIS_VARIABLE == byte)',
    `(XS_CODE_GET_THIS_VARIABLE == ${opcode})`,
  ],
  'clears variables': ['c_memset(mxStack, 0, index * sizeof(txSlot));', 'clear(mxStack, index);'],
  // A property of an object literal.
  'defines a property': [
    '\t\t\tindex = fxRunDefine(the, variable, slot, (txID)offset, index, mxStack, byte | XS_GET_ONLY);',
    '\t\t\tif (slot || !define(the, variable, (txID)offset, mxStack, byte))\n' +
      '\t\t\t\tindex = fxRunDefine(the, variable, slot, (txID)offset, index, mxStack, byte | XS_GET_ONLY);\n' +
      '\t\t\telse index = 1;',
  ],
};

/** What is left of `byte`: none of it is the opcode any more, outside of parts that are not compiled. */
const usesOfByte = 64;

/** The changed source. Throws when a line to change is not where it was. */
export function interpreter(engineFolder) {
  let source = readFileSync(join(engineFolder, 'sources/xsRun.c'), 'utf8');
  for (const [what, [from, to]] of Object.entries(changes)) {
    if (source.split(from).length !== 2) throw new Error(`xsRun.c of this XS has another way to: ${what}.`);
    source = source.replace(from, () => to);
  }
  const uses = source.match(/\bbyte\b/g).length;
  if (uses !== usesOfByte)
    throw new Error(`xsRun.c of this XS uses "byte" ${uses} times, not ${usesOfByte}.`);
  return source;
}

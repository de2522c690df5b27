// Which built-ins the images of the native profile don't take from XS: those that no bundle of a device uses are left
// out, about 50 KB of flash, and some are faster in quick.c. A build fails when a bundle names one that is left out;
// then take the name off this list.
const names = {
  Array:
    'concat copyWithin findLast findLastIndex flat flatMap keys lastIndexOf pop reduceRight reverse toLocaleString',
  DataView:
    'getBigInt64 getBigUint64 getFloat32 getFloat64 getInt16 getInt32 getInt8 getUint8 ' +
    'setBigInt64 setBigUint64 setFloat32 setFloat64 setInt16 setInt32 setInt8 setUint8',
  Function: 'bind',
  Map: 'clear delete keys',
  Number: 'toExponential toFixed toLocaleString toPrecision toString', // a template needs none of them
  Object:
    '__defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__ hasOwnProperty isPrototypeOf ' +
    'propertyIsEnumerable toLocaleString',
  Set: 'clear delete', // its constructor calls add
  String:
    'charAt compare concat endsWith lastIndexOf localeCompare match matchAll normalize padEnd padStart repeat ' +
    'replaceAll search substr substring toLowerCase toUpperCase trim trimEnd trimStart',
  TypedArray: 'copyWithin findLast findLastIndex keys lastIndexOf reduceRight reverse toLocaleString',
  WeakMap: 'delete',
  WeakRef: 'deref',
  WeakSet: 'delete',
  FinalizationRegistry: 'cleanupSome unregister',
  ArrayBuffer: 'concat resize transfer',
};
const statics = {
  ArrayBuffer: 'fromBigInt fromString isView',
  Number: 'isFinite isInteger isNaN isSafeInteger',
  Object:
    'assign create defineProperties defineProperty freeze fromEntries getOwnPropertyDescriptor getOwnPropertyDescriptors ' +
    'getOwnPropertyNames getOwnPropertySymbols getPrototypeOf hasOwn isExtensible isFrozen isSealed keys ' +
    'preventExtensions seal setPrototypeOf',
  Promise: 'all allSettled any race',
  String: 'fromArrayBuffer fromCodePoint raw',
  Symbol: 'keyFor',
};
/** Money is integers: of Math only what those need, which keeps the C library's transcendental functions out. */
const math =
  'acos acosh asin asinh atan atanh atan2 cbrt cos cosh exp expm1 fround hypot idiv idivmod imod imuldiv irem log ' +
  'log1p log10 log2 mod pow random round sin sinh sqrt tan tanh';
/** A bundle is one script: nothing is imported at run time. No bundle could name these. */
const modules =
  'Compartment Compartment_prototype_evaluate Compartment_prototype_get_globalThis Compartment_prototype_import ' +
  'Compartment_prototype_importNow ModuleSource ModuleSource_prototype_get_bindings ' +
  'ModuleSource_prototype_get_needsImport ModuleSource_prototype_get_needsImportMeta';
/** Asynchronous generators, which have no syntax here, as build.mjs leaves their instances out. */
const asyncGenerators =
  'AsyncGenerator_prototype_next AsyncGenerator_prototype_return AsyncGenerator_prototype_throw ' +
  'AsyncFromSyncIterator_prototype_next AsyncFromSyncIterator_prototype_return AsyncFromSyncIterator_prototype_throw';
/** A keyword too: only a call of it is looked for. */
const calls = { Promise: 'finally' };
const globals =
  'decodeURI decodeURIComponent encodeURI encodeURIComponent escape isFinite isNaN parseFloat parseInt ' +
  'trace trace_center unescape';

const words = (text) => text.split(' ');
const each = (table, between) =>
  Object.entries(table).flatMap(([type, list]) => words(list).map((name) => `fx_${type}${between}${name}`));

/** XS's C functions for them. */
export const unusedFunctions = [
  ...each(names, '_prototype_'),
  ...each(statics, '_'),
  ...words(math).map((name) => `fx_Math_${name}`),
  ...words(modules).map((name) => `fx_${name}`),
  ...words(asyncGenerators).map((name) => `fx_${name}`),
  ...each(calls, '_prototype_'),
  ...words(globals).map((name) => `fx_${name}`),
];

/** Functions of which quick.c has a faster form for the common case. */
const quickFunctions = [
  'fx_Array_prototype_slice',
  'fx_Object_copy',
  'fx_TypedArray',
  'fx_TypedArray_prototype_indexOf',
  'fx_TypedArray_prototype_slice',
];

/**
 * A header that the engine's sources see first. It renames each definition, which a parenthesis follows, so that the
 * tables of built-ins, which name the functions alone, refer to those of quick.c, and to aliases in strip.c of one
 * that only throws.
 * @param {boolean} lean leaves out what no device uses
 */
export function engineHeader(lean) {
  const unused = lean ? unusedFunctions : [];
  const replaced = [...unused, ...quickFunctions];
  return [
    'struct sxMachine;',
    ...replaced.map((name) => `extern void ${name}(struct sxMachine *);`),
    `#define UNUSED_BUILT_INS(X) ${unused.map((name) => `X(${name})`).join(' ')}`,
    '#ifndef OWN_BUILT_INS',
    ...replaced.map((name) => `#define ${name}(the) engine_${name}(the)`),
    '#endif',
    '',
  ].join('\n');
}

/** Throws when a program names, as a property or a variable, what an image has not got. */
export function checkUnused(program) {
  const used = new Set(program.match(/[A-Za-z_$][\w$]*/g));
  const lists = [...Object.values(names), ...Object.values(statics), globals];
  const missing = [
    ...lists.flatMap(words).filter((name) => used.has(name)),
    ...words(math)
      .map((name) => `Math.${name}`)
      .filter((name) => program.includes(name)),
    ...Object.values(calls).filter((name) => program.includes(`.${name}(`)),
    ...['**'].filter((operator) => program.includes(operator)), // build.mjs leaves out fx_pow
  ];
  if (missing.length > 0)
    throw new Error(`The bundle uses what images leave out: ${missing}. See hardware/native/built-ins.mjs.`);
}

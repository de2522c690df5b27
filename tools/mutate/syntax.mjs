// Walking a syntax tree: which children hold code that runs, and what of it only people read.

/** Keys of a node that hold types or names, no code. */
const NOT_CODE = new Set([
  'typeAnnotation',
  'typeParameters',
  'typeArguments',
  'returnType',
  'superTypeParameters',
  'implements',
  'decorators',
  'loc',
  'extra',
  'leadingComments',
  'trailingComments',
  'innerComments',
  'superClass',
]);
/** Declarations that leave nothing in the program. */
const NO_CODE = new Set([
  'ImportDeclaration',
  'ExportAllDeclaration',
  'TSInterfaceDeclaration',
  'TSTypeAliasDeclaration',
  'TSDeclareFunction',
  'TSDeclareMethod',
]);

/** The children of a node that run. */
export function* childrenOf(node) {
  for (const [key, value] of Object.entries(node)) {
    if (NOT_CODE.has(key)) continue;
    for (const child of Array.isArray(value) ? value : [value])
      if (typeof child?.type === 'string' && !NO_CODE.has(child.type)) yield child;
  }
}

/** The name of the function or method that is called; undefined for anything else. */
export function methodOf(node) {
  if (node?.type !== 'CallExpression' && node?.type !== 'NewExpression') return undefined;
  const { callee } = node;
  if (callee.type === 'Super') return 'super';
  if (callee.type === 'Identifier') return callee.name;
  return callee.property?.name ?? callee.property?.id?.name;
}

/** The name of what a method is called on: `log` in `this.log.info()`. */
function receiverOf({ callee }) {
  const object = callee?.object;
  return object?.name ?? object?.property?.name ?? object?.property?.id?.name;
}

const LOGS = ['log', 'logger', 'console'];
const METRICS = ['counter', 'gauge', 'Counter', 'Gauge', 'Histogram', 'Registry'];
const FIELDS_FOR_PEOPLE = ['remedy', 'help', 'description', 'facts', 'message'];

/** Whether a node and all below it only make texts: log lines, messages of errors, help texts of metrics. */
export function isPeopleText(node, parent) {
  const call = node.type === 'ExpressionStatement' ? node.expression : node;
  if (call.type === 'CallExpression' && LOGS.includes(receiverOf(call))) return true;
  if ((call.type === 'CallExpression' || call.type === 'NewExpression') && METRICS.includes(methodOf(call)))
    return true;
  // The compiler proves that it never runs.
  if (methodOf(node.type === 'ReturnStatement' ? node.argument : call) === 'unreachable') return true;
  // What is thrown is a name, and facts for people.
  if (parent.type === 'ThrowStatement') return true;
  // A text with words in it; one without, such as a key of two numbers, is code.
  if (node.type === 'TemplateLiteral' && node.quasis.some(({ value }) => /[a-z]{2,}|\s/i.test(value.raw)))
    return true;
  if (parent.type === 'NewExpression' && /Error$/.test(methodOf(parent) ?? ''))
    return node !== parent.callee && node !== parent.arguments[0];
  return node.type === 'ObjectProperty' && FIELDS_FOR_PEOPLE.includes(node.key?.name) && isText(node.value);
}

const isText = ({ type }) => type === 'StringLiteral' || type === 'TemplateLiteral';

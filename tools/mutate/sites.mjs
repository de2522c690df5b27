// Where a source can be broken, and how: one candidate a site and kind, read from the syntax tree. Left out is what is
// no behaviour: types, imports, texts for people (logs, errors, metrics), which no test should pin.
import { parse } from '@babel/parser';
import { childrenOf, isPeopleText, methodOf } from './syntax.mjs';

const COMPARISONS = {
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '===': ['!=='],
  '!==': ['==='],
  '==': ['!='],
  '!=': ['=='],
};
const OPERATORS = {
  '+': '-',
  '-': '+',
  '*': '+',
  '/': '*',
  '%': '+',
  '<<': '>>>',
  '>>': '<<',
  '>>>': '<<',
  '&': '|',
  '|': '&',
  '^': '&',
};
const ASSIGNMENTS = {
  '+=': '-=',
  '-=': '+=',
  '*=': '+=',
  '|=': '&=',
  '&=': '|=',
  '^=': '|=',
  '<<=': '>>>=',
  '>>>=': '<<=',
  '??=': '=',
};
/** Methods that have a like one. Not `find`: where it looks, what is looked for mostly stands once. */
const METHODS = {
  some: 'every',
  every: 'some',
  findLast: 'find',
  findLastIndex: 'findIndex',
  min: 'max',
  max: 'min',
  floor: 'ceil',
  ceil: 'floor',
  push: 'unshift',
  shift: 'pop',
  startsWith: 'endsWith',
};
/** Methods whose result is of the receiver's kind: the call can be left out. */
const LEFT_OUT = ['slice', 'subarray', 'filter', 'sort', 'toSorted', 'reverse', 'toReversed'];
/** Functions that do not mind the order of their arguments. */
const COMMUTING = ['equalBytes', 'max', 'min', 'higher', 'earlier', 'addAmounts', 'imul'];
const WRITES = ['set', 'add', 'delete', 'push', 'unshift', 'clear', 'splice'];
const LEAVES = ['ReturnStatement', 'ThrowStatement', 'ContinueStatement', 'BreakStatement'];

/** Constants above are doubled and halved, the others changed by one. */
const LARGE = 16;

const isText = (node) => node.type === 'StringLiteral' || node.type === 'TemplateLiteral';

/** Collects the candidates of one file. */
class Collector {
  constructor(file, source) {
    this.file = file;
    this.source = source;
    this.sites = [];
  }

  text(node) {
    return this.source.slice(node.start, node.end);
  }

  /** `text` in place of `node`, or of the span from `start` to `end`. */
  add(kind, node, text, start = node.start, end = node.end) {
    const { line } = node.loc.start;
    const lastLine = node.loc.end.line;
    this.sites.push({ file: this.file, kind, line, lastLine, start, end, text });
  }

  visit(node, parent) {
    if (isPeopleText(node, parent)) return;
    this[node.type]?.(node, parent);
    for (const child of childrenOf(node)) this.visit(child, node);
  }

  BinaryExpression(node) {
    const { operator, left, right } = node;
    const at = this.source.indexOf(operator, left.end);
    const put = (kind, other) => this.add(kind, node, other, at, at + operator.length);
    if (COMPARISONS[operator] !== undefined)
      for (const other of COMPARISONS[operator]) put('comparison', other);
    else if (OPERATORS[operator] !== undefined && !isText(left) && !isText(right))
      put('arithmetic', OPERATORS[operator]);
  }

  LogicalExpression(node) {
    const { operator, left, right } = node;
    const at = this.source.indexOf(operator, left.end);
    if (operator === '??') return this.add('default dropped', node, this.text(left));
    this.add('logic', node, operator === '&&' ? '||' : '&&', at, at + 2);
    this.add('operand dropped', node, this.text(left));
    this.add('operand dropped', node, this.text(right));
  }

  UnaryExpression(node) {
    if (node.operator === '!') this.add('negation', node, this.text(node.argument));
    if (node.operator === '-') this.add('negation', node, this.text(node.argument));
  }

  UpdateExpression(node) {
    const other = node.operator === '++' ? '--' : '++';
    this.add(
      'arithmetic',
      node,
      node.prefix ? other + this.text(node.argument) : this.text(node.argument) + other,
    );
  }

  AssignmentExpression(node) {
    const { operator, left, right } = node;
    if (ASSIGNMENTS[operator] === undefined || isText(right)) return;
    const at = this.source.indexOf(operator, left.end);
    this.add('arithmetic', node, ASSIGNMENTS[operator], at, at + operator.length);
  }

  IfStatement(node) {
    this.condition(node.test);
    const { consequent, alternate } = node;
    const only =
      consequent.type === 'BlockStatement' && consequent.body.length === 1 ? consequent.body[0] : consequent;
    if (alternate === null && LEAVES.includes(only.type)) this.add('early leave removed', node, '{}');
    if (alternate !== null) this.add('else removed', alternate, '{}');
  }

  ConditionalExpression(node) {
    this.condition(node.test);
  }

  WhileStatement(node) {
    this.condition(node.test);
  }

  condition(test) {
    this.add('condition forced', test, 'true');
    this.add('condition forced', test, 'false');
  }

  ExpressionStatement(node) {
    const { expression } = node;
    const call = expression.type === 'AwaitExpression' ? expression.argument : expression;
    const name = methodOf(call);
    if (name === 'super') return;
    this.add(WRITES.includes(name) ? 'write removed' : 'statement removed', node, '{}');
  }

  SwitchCase(node) {
    const { test, consequent } = node;
    if (consequent.length === 0 || test === null) return;
    this.add(
      'case emptied',
      node,
      node.consequent.at(-1).type === 'ReturnStatement' ? 'return undefined as never;' : 'break;',
      consequent[0].start,
      consequent.at(-1).end,
    );
  }

  ReturnStatement(node) {
    const { argument } = node;
    if (argument !== null && argument.type !== 'BooleanLiteral' && argument.type !== 'NullLiteral')
      this.add('value not returned', node, 'return undefined as never;');
  }

  functionBody(node) {
    if (node.body?.type !== 'BlockStatement' || node.body.body.length < 2) return;
    const first = node.body.body[0];
    if (node.kind !== 'constructor')
      this.add('returned at once', first, 'return undefined as never;\n', first.start, first.start);
  }

  FunctionDeclaration(node) {
    this.functionBody(node);
  }

  FunctionExpression(node) {
    this.functionBody(node);
  }

  ArrowFunctionExpression(node) {
    this.functionBody(node);
  }

  ClassMethod(node) {
    this.functionBody(node);
  }

  ClassPrivateMethod(node) {
    this.functionBody(node);
  }

  NumericLiteral(node, parent) {
    if (parent.type === 'ObjectProperty' && parent.key === node) return;
    const { raw } = node.extra;
    // One more of a large figure is nothing that anybody sees: a pause a millisecond longer.
    const [more, less] = node.value > LARGE ? ['* 2', '/ 2'] : ['+ 1', '- 1'];
    this.add('constant', node, `(${raw} ${more})`);
    if (node.value > 0) this.add('constant', node, `(${raw} ${less})`);
  }

  BooleanLiteral(node) {
    this.add('constant', node, String(!node.value));
  }

  AwaitExpression(node) {
    this.add('await dropped', node, this.text(node.argument));
  }

  CallExpression(node) {
    const { callee, arguments: given } = node;
    const [first, second] = given;
    const spread = given.some(({ type }) => type === 'SpreadElement');
    const commutes =
      COMMUTING.includes(methodOf(node)) || this.text(first ?? node) === this.text(second ?? node);
    if (given.length >= 2 && !spread && !commutes) {
      const between = this.source.slice(first.end, second.start);
      this.add(
        'arguments swapped',
        node,
        this.text(second) + between + this.text(first),
        first.start,
        second.end,
      );
    }
    const name = methodOf(node);
    if (name === undefined || callee.type !== 'MemberExpression') return;
    if (METHODS[name] !== undefined)
      this.add('method', node, METHODS[name], callee.property.start, callee.property.end);
    if (LEFT_OUT.includes(name)) this.add('call left out', node, this.text(callee.object));
    if ((name === 'slice' || name === 'subarray') && first !== undefined && !spread)
      this.add('slice moved', first, `${this.text(first)} + 1`);
  }

  ObjectExpression(node) {
    if (node.properties.length < 2) return;
    for (const [index, property] of node.properties.entries()) {
      const next = node.properties[index + 1];
      const before = node.properties[index - 1];
      if (next === undefined) this.add('field dropped', property, '', before.end, property.end);
      else this.add('field dropped', property, '', property.start, next.start);
    }
  }
}

/** Every way to break one file, in the order of the text. `source` is TypeScript. */
export function sitesOf(file, source) {
  const tree = parse(source, { sourceType: 'module', plugins: ['typescript'] });
  const collector = new Collector(file, source);
  for (const statement of tree.program.body) collector.visit(statement, tree.program);
  return collector.sites.sort((a, b) => a.start - b.start || a.end - b.end);
}

const oneLine = (text) => text.replace(/\s+/g, ' ').trim();

/** The broken source, and how the lines that changed read before and after. */
export function broken(source, { start, end, text }) {
  const changed = source.slice(0, start) + text + source.slice(end);
  const from = source.lastIndexOf('\n', start - 1) + 1;
  const lineEnd = (whole, at) => (whole.indexOf('\n', at) + 1 || whole.length + 1) - 1;
  return {
    changed,
    from: oneLine(source.slice(from, lineEnd(source, end))),
    to: oneLine(changed.slice(from, lineEnd(changed, start + text.length))),
  };
}

// The habits of the house as tests: what compiler, linter and import rules do not say.
import fs from 'node:fs';
import path from 'node:path';
import {expect} from 'chai';
import ts from 'typescript';
import {repoRoot} from './support/paths.ts';

const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 350;

/** Where a rule is broken: a path, a line from 1, and what is there. */
interface Finding {
  readonly file: string;
  readonly line: number;
  readonly what: string;
}

interface Rule {
  readonly title: string;
  readonly files: RegExp;
  readonly find: (source: ts.SourceFile) => readonly Finding[];
  /** Files that may break it; a test fails when one of them no longer does. */
  readonly exceptions: readonly string[];
}

const RULES: readonly Rule[] = [
  {
    title: 'lib/protocol has no clock, no timer, no process and no waiting',
    files: /^lib\/protocol\//,
    find: (source) => findNodes(source, impurity),
    exceptions: [],
  },
  {
    title: 'agent, store, http, service and client call nothing that blocks the event loop',
    files: /^lib\/(agent|store|http|service|client)\//,
    find: (source) => findNodes(source, synchronousCall),
    exceptions: [],
  },
  {
    title: 'lib/guardian/clock.ts alone reads the suspend-aware clock',
    files: /^lib\/(?!guardian\/clock\.ts$)/,
    find: (source) => findNodes(source, clockRead),
    exceptions: [],
  },
  {
    title: 'agent, guardian and service measure with that clock, never with performance, which stops in a suspend',
    files: /^lib\/(agent|guardian|service)\//,
    find: (source) => findNodes(source, (node) => (ts.isIdentifier(node) && node.text === 'performance' ? node.text : undefined)),
    exceptions: [],
  },
  {
    title: `no function is longer than ${FUNCTION_LINES_MAX} lines (lists of tests aside)`,
    files: /./,
    find: (source) => findNodes(source, longFunction),
    exceptions: [],
  },
  {
    title: `no file is longer than ${FILE_LINES_MAX} lines`,
    files: /./,
    find: (source) => {
      const lines = source.text.trimEnd().split('\n').length;
      return lines > FILE_LINES_MAX ? [{file: source.fileName, line: lines, what: `${lines} lines`}] : [];
    },
    exceptions: [],
  },
  {
    title: 'every file says in its first line what it is',
    files: /./,
    find: (source) => (/^(#!.*\n)?(\/\/ |\/\*\*)/.test(source.text) ? [] : [at(source, source, 'no header sentence')]),
    exceptions: [],
  },
  {
    title: 'no index.ts, and names in kebab-case',
    files: /./,
    find: (source) => {
      const name = path.basename(source.fileName);
      return name !== 'index.ts' && /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.c?ts$/.test(name) ? [] : [at(source, source, name)];
    },
    exceptions: [],
  },
  {
    title: 'no test is switched off or runs alone; this.skip() comes after a printed reason',
    files: /^test\//,
    find: (source) => findNodes(source, switchedOff),
    exceptions: [],
  },
  {
    title: 'no any',
    files: /./,
    find: (source) => findNodes(source, (node) => (node.kind === ts.SyntaxKind.AnyKeyword ? 'any' : undefined)),
    exceptions: [],
  },
  {
    title: 'no comment silences a tool or puts work off',
    files: /./,
    find: findBadComments,
    exceptions: [],
  },
];

describe('the architecture', () => {
  const sources = ['lib', 'scripts', 'test', 'examples'].flatMap(readSources);

  it('is looked at: sources are found', () => {
    expect(sources.map(({fileName}) => fileName)).to.include.members(['lib/protocol/words.ts', 'test/architecture.test.ts']);
  });

  for (const {title, files, find, exceptions} of RULES) {
    it(title, () => {
      const findings = sources.filter(({fileName}) => files.test(fileName)).flatMap(find);
      const broken = findings.filter(({file}) => !exceptions.includes(file));
      expect(broken.map(({file, line, what}) => `${file}:${line} ${what}`)).to.deep.equal([]);
      const needless = exceptions.filter((exception) => !findings.some(({file}) => file === exception));
      expect(needless, 'exceptions that are no longer needed').to.deep.equal([]);
    });
  }
});

describe('the rules of the architecture', () => {
  const LONG = `function long() {\n${'  work();\n'.repeat(FUNCTION_LINES_MAX)}}`;
  const CASES: readonly [rule: RegExp, code: string, findings: number][] = [
    [/no clock/, 'Date.now(); performance.now(); process.pid; setTimeout(f, 1); async () => await f(); new Date();', 7],
    [/no clock/, `import fs from 'node:fs'; const step = {process: 1}; step.process;`, 1],
    [/blocks/, `fs.readFileSync('a'); execSync('b'); await fs.readFile('c');`, 2],
    [/suspend-aware/, `os.uptime(); process.hrtime.bigint(); read('/proc/uptime'); performance.now(); Date.now();`, 3],
    [/suspend-aware/, `import {uptime} from 'node:os';`, 1],
    [/stops in a suspend/, 'performance.now(); clock.now();', 1],
    [/no function/, LONG, 1],
    [/no function/, `describe('a', () => {\n${'  work();\n'.repeat(FUNCTION_LINES_MAX)}});`, 0],
    [/no file/, 'work();\n'.repeat(FILE_LINES_MAX + 1), 1],
    [/first line/, `import fs from 'node:fs';`, 1],
    [/switched off/, `it.only('a', f); describe.skip('b', f); xit('c', f); it('d', f);`, 3],
    [/switched off/, `it('a', function () { if (x) { this.skip(); } });`, 1],
    [/switched off/, `it('a', function () { if (x) { console.log('no FUSE here'); this.skip(); } });`, 0],
    [/no any/, `const a: any = 1; const anything = 'any';`, 1],
    [/no comment/, `// @ts-ignore\nconst a = 'TODO'; const b = /["'/]/; /* TODO: later */`, 2],
  ];
  for (const [rule, code, findings] of CASES) {
    it(`"${String(rule)}" finds ${findings} in ${code.slice(0, 60).replaceAll('\n', ' ')}`, () => {
      const [found] = RULES.filter(({title}) => rule.test(title));
      expect(found?.find(parse('lib/sample.ts', code))).to.have.length(findings);
    });
  }
});

// ---- reading ----------------------------------------------------------------------------------------------------------

function readSources(tree: string): ts.SourceFile[] {
  if (!fs.existsSync(path.join(repoRoot, tree))) return [];
  return fs
    .readdirSync(path.join(repoRoot, tree), {recursive: true, encoding: 'utf8'})
    .filter((file) => /\.c?ts$/.test(file) && !file.split(path.sep).includes('fixtures'))
    .map((file) => path.join(tree, file))
    .map((file) => parse(file, fs.readFileSync(path.join(repoRoot, file), 'utf8')));
}

function parse(file: string, text: string): ts.SourceFile {
  return ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
}

function findNodes(source: ts.SourceFile, test: (node: ts.Node) => string | undefined): Finding[] {
  const findings: Finding[] = [];
  const visit = (node: ts.Node): void => {
    const what = test(node);
    if (what !== undefined) findings.push(at(source, node, what));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return findings;
}

function at(source: ts.SourceFile, node: ts.Node, what: string): Finding {
  return {file: source.fileName, line: source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1, what};
}

// ---- what the rules look for ------------------------------------------------------------------------------------------

const IMPURE = /^(Date|performance|process|console|setTimeout|setInterval|setImmediate|queueMicrotask|fetch)$/;

function impurity(node: ts.Node): string | undefined {
  if (ts.isAwaitExpression(node)) return 'await';
  if (node.kind === ts.SyntaxKind.AsyncKeyword) return 'async';
  if (ts.isStringLiteral(node) && node.text.startsWith('node:')) return node.text;
  if (ts.isPropertyAccessExpression(node) && node.getText() === 'Math.random') return 'Math.random';
  return ts.isIdentifier(node) && IMPURE.test(node.text) && isValue(node) ? node.text : undefined;
}

/** Whether the identifier stands for a variable of that name, not for a property or a type. */
function isValue(node: ts.Identifier): boolean {
  const {parent} = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  return !ts.isPropertyAssignment(parent) && !ts.isPropertySignature(parent) && !ts.isTypeReferenceNode(parent);
}

function synchronousCall(node: ts.Node): string | undefined {
  if (!ts.isCallExpression(node)) return undefined;
  const name = calleeName(node);
  return name?.endsWith('Sync') === true ? name : undefined;
}

function calleeName(node: ts.CallExpression): string | undefined {
  if (ts.isIdentifier(node.expression)) return node.expression.text;
  return ts.isPropertyAccessExpression(node.expression) ? node.expression.name.text : undefined;
}

function clockRead(node: ts.Node): string | undefined {
  if (ts.isStringLiteralLike(node) && node.text === '/proc/uptime') return node.text;
  if (ts.isImportSpecifier(node) && /^(uptime|hrtime)$/.test((node.propertyName ?? node.name).text)) return node.getText();
  if (!ts.isPropertyAccessExpression(node)) return undefined;
  return /^((os|process)\.uptime|process\.hrtime)$/.test(node.getText()) ? node.getText() : undefined;
}

function longFunction(node: ts.Node): string | undefined {
  if (!ts.isFunctionLike(node) || isListOfTests(node)) return undefined;
  const source = node.getSourceFile();
  const line = (position: number): number => source.getLineAndCharacterOfPosition(position).line;
  const lines = line(node.getEnd()) - line(node.getStart(source)) + 1;
  return lines > FUNCTION_LINES_MAX ? `a function of ${lines} lines` : undefined;
}

/** `describe`'s callback, or a function whose name begins with it: a contract suite that several files run. */
function isListOfTests(node: ts.SignatureDeclaration): boolean {
  if (ts.isFunctionDeclaration(node)) return node.name?.text.startsWith('describe') === true;
  return ts.isCallExpression(node.parent) && calleeName(node.parent) === 'describe';
}

function switchedOff(node: ts.Node): string | undefined {
  if (!ts.isCallExpression(node)) return undefined;
  const callee = node.expression.getText();
  if (/^x(describe|context|it|specify)$/.test(callee)) return callee;
  if (node.arguments.length > 0) return /^(describe|context|it|specify)\.(only|skip)$/.test(callee) ? callee : undefined;
  return callee.endsWith('.skip') && !printsBefore(node) ? `${callee}() without a printed reason in the same block` : undefined;
}

function printsBefore(skip: ts.CallExpression): boolean {
  const block = ts.findAncestor(skip, ts.isBlock);
  const before = block?.statements.filter((statement) => statement.end < skip.getStart()) ?? [];
  return before.some((statement) => /^(console\.\w+|process\.std(out|err)\.write)\(/.test(statement.getText()));
}

const BAD_COMMENT = /@ts-(ignore|expect-error|nocheck)|eslint-disable|prettier-ignore|\b(TODO|FIXME|XXX)\b/;

function findBadComments(source: ts.SourceFile): Finding[] {
  return commentsOf(source).flatMap((comment) => {
    const [what] = BAD_COMMENT.exec(source.text.slice(comment.pos, comment.end)) ?? [];
    const line = source.getLineAndCharacterOfPosition(comment.pos).line + 1;
    return what === undefined ? [] : [{file: source.fileName, line, what}];
  });
}

/** Every comment stands before or after some token of the tree; a scanner alone would stumble over regular expressions. */
function commentsOf(source: ts.SourceFile): ts.CommentRange[] {
  const found = new Map<number, ts.CommentRange>();
  const visit = (node: ts.Node): void => {
    const children = node.getChildren(source);
    children.forEach(visit);
    if (children.length > 0 || ts.isJSDoc(node)) return;
    const before = ts.getLeadingCommentRanges(source.text, node.getFullStart()) ?? [];
    const after = ts.getTrailingCommentRanges(source.text, node.getEnd()) ?? [];
    for (const comment of [...before, ...after]) found.set(comment.pos, comment);
  };
  visit(source);
  return [...found.values()];
}

// "Commands are arrays, or one string split into words (quotes group; no shell, no expansion)."
import {expect} from 'chai';
import {joinWords, splitWords} from '../../lib/config/words.ts';
import {nearest} from '../../lib/config/nearest.ts';

describe('words', () => {
  const good: readonly (readonly [string, readonly string[]])[] = [
    ['a b  c', ['a', 'b', 'c']],
    ['  ', []],
    [`ssh host 'cd /d && ./x 0'`, ['ssh', 'host', 'cd /d && ./x 0']],
    [`"a b" c`, ['a b', 'c']],
    [`"say \\"hi\\" \\\\ \\n"`, ['say "hi" \\ \\n']],
    [`'it'\\''s'`, ["it's"]],
    [`a""b ''`, ['ab', '']],
    ['$HOME * `x` ~ ; | > f', ['$HOME', '*', '`x`', '~', ';', '|', '>', 'f']],
    ['a\\ b', ['a b']],
    ['tab\tnew\nline', ['tab', 'new', 'line']],
  ];
  for (const [text, words] of good) it(`splits ${JSON.stringify(text)}`, () => expect(splitWords(text)).to.deep.equal({words}));

  for (const text of [`'open`, `a "b`, 'end\\']) it(`refuses ${text}`, () => expect(splitWords(text)).to.have.property('fault'));

  it('joins so that splitting gives the same', () => {
    const words = ['a b', "it's", '', '"', '\\', 'plain', '\n'];
    expect(splitWords(joinWords(words))).to.deep.equal({words});
  });
});

describe('nearest', () => {
  const known = ['leaseTimeout', 'nodeId', 'service.attempts', 'health', 'port', 'priority'];
  const table: readonly (readonly [string, string | undefined])[] = [
    ['leaseTimeuot', 'leaseTimeout'],
    ['lease-timeout', 'leaseTimeout'],
    ['LEASETIMEOUT', 'leaseTimeout'],
    ['attempts', 'service.attempts'],
    ['nodeid', 'nodeId'],
    ['prot', 'port'],
    ['somethingElseEntirely', undefined],
  ];
  for (const [typed, meant] of table) it(`${typed} -> ${meant}`, () => expect(nearest(typed, known)).to.equal(meant));
});

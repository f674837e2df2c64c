// Commands of HAL and PROM in words: theirs where they worked, and what their documents meant where quotes group.
import {expect} from 'chai';
import {splitCommand} from '../../lib/compat/words.ts';

describe('commands of HAL and PROM', () => {
  const table: readonly (readonly [text: string, words: readonly string[], differs: boolean])[] = [
    ['/d/ensureVotingAppRunning.sh 0 active', ['/d/ensureVotingAppRunning.sh', '0', 'active'], false],
    ['ssh host cd /d && ./x 0', ['ssh', 'host', 'cd', '/d', '&&', './x', '0'], false],
    ['echo $HOME * ; | > f `x`', ['echo', '$HOME', '*', ';', '|', '>', 'f', '`x`'], false],
    ['ssh host echo \\$HOME \\;', ['ssh', 'host', 'echo', '\\$HOME', '\\;'], false],
    ["ssh host 'cd /d && ./restartHalIfDead.sh 0'", ['ssh', 'host', 'cd /d && ./restartHalIfDead.sh 0'], true],
    ['sh -c "exit 2"', ['sh', '-c', 'exit 2'], true],
    ['a  b', ['a', 'b'], true],
    [' a b ', ['a', 'b'], true],
    ["it's fine", ["it's", 'fine'], false],
    ['say "hi', ['say', '"hi'], false],
    ['', [], true],
  ];
  for (const [text, words, differs] of table) {
    it(`${JSON.stringify(text)} has ${words.length} words${differs ? ', which those daemons cut differently' : ''}`, () => {
      expect(splitCommand(text)).to.deep.equal({words, differs});
    });
  }
});

// The checker of the end-to-end tests can fail: made-up logs with the faults that it has to find.
import {expect} from 'chai';
import {assertNoOverlap, describeRuns, readWitnessLog} from './witness-log.ts';

const MS = 1_000_000;
const line = (atMs: number, what: string, node: string, epoch: number, family: string, pid = 100): string =>
  `${5_000_000_000_000 + atMs * MS} ${what} ${node} ${epoch} ${family} ${pid}`;

/** A run that bears witness from `fromMs` to `toMs`. */
function run(node: string, epoch: number, family: string, fromMs: number, toMs: number): string[] {
  const alive = [];
  for (let at = fromMs + 20; at < toMs; at += 20) alive.push(line(at, 'alive', node, epoch, family));
  return [line(fromMs, 'begin', node, epoch, family), ...alive, line(toMs, 'end', node, epoch, family)];
}

const logOf = (...runs: readonly string[][]): string => `${runs.flat().join('\n')}\n`;

describe('the checker of the witness log', () => {
  const first = run('n1', 1, 'aaaaaaaa', 0, 500);

  it('is content with runs that follow each other, and shows the gap between them', () => {
    const {runs, faults} = readWitnessLog(logOf(first, run('n2', 2, 'bbbbbbbb', 730, 900)));
    expect(faults).to.deep.equal([]);
    expect(runs.map(({node}) => node)).to.deep.equal(['n1', 'n2']);
    expect(describeRuns(runs)).to.contain('epoch 2 on n2 (bbbbbbbb): 730.0 .. 900.0 ms, 230.0 ms after the one before');
  });

  it('finds two nodes active at once, whichever wrote first', () => {
    const second = run('n2', 2, 'bbbbbbbb', 460, 900);
    for (const text of [logOf(first, second), logOf(second, first)]) {
      expect(() => assertNoOverlap(text)).to.throw('OVERLAP of 40.0 ms: epoch 1 on n1 (aaaaaaaa) still ran when epoch 2 on n2');
    }
  });

  it('finds a run inside another, and one that begins in the very moment in which another ends', () => {
    expect(readWitnessLog(logOf(first, run('n2', 2, 'bbbbbbbb', 100, 120))).faults).to.have.length(1);
    expect(readWitnessLog(logOf(first, run('n2', 2, 'bbbbbbbb', 500, 600))).faults).to.have.length(1);
  });

  it('finds a process that outlived its run by a single line', () => {
    const straggler = [line(1_200, 'alive', 'n1', 1, 'aaaaaaaa', 101)];
    expect(() => assertNoOverlap(logOf(first, run('n2', 2, 'bbbbbbbb', 730, 900), straggler))).to.throw('OVERLAP of 170.0 ms');
  });

  it('finds two runs of one node under one epoch at once', () => {
    expect(() => assertNoOverlap(logOf(first, run('n1', 1, 'cccccccc', 300, 400)))).to.throw('OVERLAP of 100.0 ms');
  });

  it('finds an overlap with an earlier run than the one just before', () => {
    const long = run('n1', 1, 'aaaaaaaa', 0, 2_000);
    const faults = readWitnessLog(logOf(long, run('n2', 2, 'bbbbbbbb', 100, 200), run('n3', 3, 'cccccccc', 300, 400))).faults;
    expect(faults).to.have.length(2);
  });

  it('finds an epoch that goes down, and one family in two epochs', () => {
    expect(() => assertNoOverlap(logOf(run('n1', 2, 'aaaaaaaa', 0, 10), run('n2', 1, 'bbbbbbbb', 20, 30)))).to.throw(
      'EPOCH went down',
    );
    expect(() => assertNoOverlap(logOf(run('n1', 1, 'aaaaaaaa', 0, 10), run('n1', 2, 'aaaaaaaa', 20, 30)))).to.throw(
      'have one family',
    );
  });

  it('does not pass over a line that it cannot read', () => {
    expect(() => assertNoOverlap(logOf(first, ['5000 alive n1 none aaaaaaaa 1']))).to.throw(
      'line 27 of the witness log cannot be read',
    );
    expect(() => assertNoOverlap(`${logOf(first)}5000 al`)).to.throw('cannot be read');
  });
});

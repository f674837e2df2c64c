// Health of the node: which checks are asked in which role, what is known when, and what is tolerated.
import fs from 'node:fs/promises';
import path from 'node:path';
import {expect} from 'chai';
import type {Check, Occasion} from '../../lib/service/check.ts';
import {createFitnessWatch, type Fitness} from '../../lib/service/fitness.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';

describe('the fitness of a node', () => {
  const directory = useTempDir();
  const cleanups: (() => void)[] = [];
  afterEach(() => cleanups.splice(0).forEach((cleanup) => cleanup()));

  /** Passes while there is a file of this name, and counts how often it was asked in `<name>.runs`. */
  const whileThere = (name: string, on: Occasion, failures = 0): Check => ({
    kind: 'command',
    command: [
      'sh',
      '-c',
      'echo x >>"$1.runs"; test -e "$1" || { echo "no $2"; exit 1; }',
      'sh',
      path.join(directory(), name),
      name,
    ],
    timeoutMs: 5_000,
    periodMs: 20,
    on,
    failures,
  });
  const make = (name: string): Promise<void> => fs.writeFile(path.join(directory(), name), '');
  const remove = (name: string): Promise<void> => fs.rm(path.join(directory(), name));
  const runs = async (name: string): Promise<number> =>
    fs.readFile(path.join(directory(), `${name}.runs`), 'utf8').then(
      (text) => text.length / 2,
      () => 0,
    );

  function watch(...checks: Check[]): {watch: ReturnType<typeof createFitnessWatch>; said: Fitness[]} {
    const said: Fitness[] = [];
    const made = createFitnessWatch(checks);
    cleanups.push(() => made.stop());
    made.start((fitness) => said.push(fitness));
    return {watch: made, said};
  }

  const kinds = (said: readonly Fitness[]): string[] => said.map(({kind}) => kind);

  it('is there at once without checks, and is not known before every check has passed', async () => {
    expect(kinds(watch().said)).to.deep.equal(['fit']);
    const {said} = watch(whileThere('disk', 'always', 1_000), whileThere('dependency', 'always', 1_000));
    expect(said).to.deep.equal([{kind: 'unknown', because: 'a check has not ended yet'}]);
    await make('disk');
    await eventually(() => said.some((each) => each.kind === 'unknown' && /exited with 1: no dependency$/.test(each.because)));
    expect(kinds(said)).not.to.include('fit');
    await make('dependency');
    await eventually(() => said.at(-1)?.kind === 'fit');
    expect(kinds(said)).not.to.include('unfit');
  });

  it('A11: bears as many failures in a row as tolerated, and no more; it comes back with the first pass', async () => {
    await make('disk');
    const {said} = watch(whileThere('disk', 'always', 3));
    await eventually(() => said.at(-1)?.kind === 'fit');
    await remove('disk');
    const before = await runs('disk');
    await eventually(() => said.at(-1)?.kind === 'unfit');
    expect(await runs('disk')).to.be.within(before + 4, before + 5);
    await make('disk');
    await eventually(() => said.at(-1)?.kind === 'fit');
    expect(kinds(said)).to.deep.equal(['unknown', 'fit', 'unfit', 'fit']);
  });

  it('A11: a single answer that comes too late changes nothing', async () => {
    const slowOnce: Check = {
      kind: 'command',
      command: ['sh', '-c', 'echo x >>"$1/n"; test "$(wc -l <"$1/n")" -ne 3 || sleep 30', 'sh', directory()],
      timeoutMs: 2_000,
      periodMs: 10,
      on: 'always',
      failures: 2,
    };
    const {said} = watch(slowOnce);
    await eventually(async () => (await fs.readFile(path.join(directory(), 'n'), 'utf8')).length >= 12);
    expect(kinds(said)).to.deep.equal(['unknown', 'fit']);
  });

  it('asks for a standby only what is for one, and begins anew when the role changes', async () => {
    const {watch: made, said} = watch(whileThere('replica', 'standby'), whileThere('service', 'active'));
    await eventually(() => said.at(-1)?.kind === 'unfit');
    made.role(true);
    expect(said.at(-1)?.kind, 'nothing is asked of an active node').to.equal('fit');
    made.role(true);
    await make('replica');
    made.role(false);
    expect(said.at(-1)?.kind).to.equal('unknown');
    await eventually(() => said.at(-1)?.kind === 'fit');
    expect(await runs('service')).to.equal(0);
  });

  it('keeps what it knows of checks that a reload leaves as they are', async () => {
    await make('disk');
    const disk = whileThere('disk', 'always');
    const {watch: made, said} = watch(disk);
    await eventually(() => said.at(-1)?.kind === 'fit');
    made.configure([{...disk}]);
    expect(kinds(said)).to.deep.equal(['unknown', 'fit']);
    made.configure([disk, whileThere('more', 'always')]);
    await eventually(() => said.at(-1)?.kind === 'unfit');
    made.configure([disk]);
    expect(kinds(said).at(-1)).to.equal('fit');
  });
});

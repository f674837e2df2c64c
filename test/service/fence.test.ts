// The fence command as it is run: one at a time, only status 0 is a proof, and for the very epoch that it was started for.
import {expect} from 'chai';
import type {CommandEnd} from '../../lib/guardian/command.ts';
import type {FenceTarget} from '../../lib/protocol/fence.ts';
import {epoch, nodeId} from '../../lib/protocol/words.ts';
import {createFence, type Fence} from '../../lib/service/fence.ts';
import {fakeScripts, quiet, type FakeScripts} from '../support/fake-scripts.ts';

const target = (of = 7): FenceTarget => ({owner: nodeId('n2'), epoch: epoch(of)});

describe('the fence command', () => {
  let scripts: FakeScripts;
  let proven: number[] = [];
  let now = 0;
  let fence: Fence;
  const settings = {command: ['power-off'], timeoutMs: 20_000, backoffMs: 5_000};

  beforeEach(() => {
    [scripts, proven, now] = [fakeScripts(), [], 1_000];
    fence = createFence(
      settings,
      scripts.run,
      quiet,
      (of) => proven.push(of),
      () => now,
    );
  });

  it('is told whom it is for, and its status 0 is the proof for that epoch', async () => {
    fence.look(target(), {HA_NODE_ID: 'n1'});
    expect(scripts.started[0]).to.deep.include({command: ['power-off'], timeoutMs: 20_000, name: 'fence n2'});
    expect(scripts.started[0]?.environment).to.deep.equal({HA_NODE_ID: 'n1', HA_FENCE_ID: 'n2', HA_FENCE_EPOCH: '7'});
    await scripts.started[0]?.end();
    expect(proven).to.deep.equal([7]);
  });

  const failures: readonly CommandEnd[] = [
    {ok: false, because: 'exit status 1', status: 1},
    {ok: true, because: 'exit status 2', status: 2},
    {ok: false, because: 'still running after 20000 ms, killed'},
    {ok: false, because: 'could not be started: ENOENT'},
  ];
  for (const end of failures) {
    it(`proves nothing that ended with: ${end.because}; it is run again after a pause`, async () => {
      fence.look(target(), {});
      await scripts.started[0]?.end(end);
      now += 4_999;
      fence.look(target(), {});
      expect(scripts.started).to.have.length(1);
      now += 1;
      fence.look(target(), {});
      expect(scripts.started).to.have.length(2);
      expect(proven).to.deep.equal([]);
    });
  }

  it('never runs twice at one time, whoever is the owner by then', async () => {
    fence.look(target(7), {});
    fence.look(target(9), {});
    expect(scripts.started).to.have.length(1);
    await scripts.started[0]?.end();
    expect(proven).to.deep.equal([7]);
    fence.look(target(9), {});
    expect(scripts.started.map(({environment}) => environment['HA_FENCE_EPOCH'])).to.deep.equal(['7', '9']);
  });

  it('is not run for nobody, nor where there is none', () => {
    fence.look(undefined, {});
    fence.configure({...settings, command: undefined});
    fence.look(target(), {});
    expect(scripts.started).to.deep.equal([]);
  });

  it('is killed at the end of the node', async () => {
    fence.look(target(), {});
    await fence.close();
    expect(scripts.started[0]?.signals).to.deep.equal(['SIGKILL']);
    expect(proven).to.deep.equal([]);
  });
});

// One run of a short program: whatever happens to it, its end is told.
import {expect} from 'chai';
import {runTool} from '../../lib/guardian/tool.ts';

describe('a run of a tool', () => {
  it('gives what it printed', async () => {
    expect(await runTool(['printf', 'word'], 10_000)).to.deep.equal({ok: true, because: 'printf: exit status 0', stdout: 'word'});
  });

  it('gives what it complained of', async () => {
    const {ok, because} = await runTool(['sh', '-c', 'echo no luck >&2; exit 3'], 10_000);
    expect({ok, because}).to.deep.equal({ok: false, because: 'sh: no luck'});
  });

  it('is ended after its time', async () => {
    const {ok, because} = await runTool(['sleep', '600'], 50);
    expect({ok, because}).to.deep.equal({ok: false, because: 'sleep: still running after 50 ms, killed'});
  });

  it('that is not there says so', async () => {
    expect((await runTool(['no-such-tool'], 10_000)).because).to.equal('no-such-tool: there is no such program');
  });

  it('that the system refuses to start is one that failed', async () => {
    const {ok, because} = await runTool(['true', 'x'.repeat(1 << 20)], 10_000);
    expect(ok).to.equal(false);
    expect(because).to.contain('true: could not be started: ').and.to.contain('E2BIG');
  });
});

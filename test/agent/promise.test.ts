// The first line of a node: its promise as a sum whose terms are named, and what is not safe here.
import {expect} from 'chai';
import {promiseLine} from '../../lib/agent/promise.ts';
import {loadConfig} from '../../lib/config/load.ts';
import type {Config} from '../../lib/config/config.ts';
import type {Containment} from '../../lib/guardian/containment.ts';

const load = (argv: Record<string, unknown>, command?: readonly string[]): Promise<Config> =>
  loadConfig({
    argv: {persistenceDir: '/mnt/ha', nodeId: 'n1', ...argv},
    command,
    env: {HOME: '/root'},
    cwd: '/',
    hostname: 'h',
    uid: 1,
  });
const group: Containment = {kind: 'group', launcher: [], prefix: [], safe: false, because: 'no root'};

describe('the promise of a node', () => {
  it('names node, store, URL and the terms of both sums', async () => {
    const line = promiseLine(
      await load({leaseTimeout: '20s', stopTimeout: '4s'}, ['x']),
      'http://127.0.0.1:8081/',
      undefined,
      undefined,
    );
    expect(line).to.contain('n1: store /mnt/ha (app default), http://127.0.0.1:8081/');
    expect(line).to.contain('silent host within 20 s (T) + start');
    expect(line).to.contain('crash of the agent within 4 s (stop of the service, at most S) + 1 s (notice) + start');
  });

  it('names the stop of what stands by among the terms of a start', async () => {
    const line = promiseLine(await load({standbyExec: 'r'}, ['x']), 'u', undefined, undefined);
    const start = '+ 10 s (stop of standbyExec there, at most S) + start';
    expect(line).to.contain(`silent host within 30 s (T) ${start}`);
    expect(line).to.contain(`+ 1 s (notice) ${start}`);
  });

  it('says what a process group cannot promise, and that a local directory is seen by one host only', async () => {
    const line = promiseLine(await load({}, ['x']), 'u', group, {kind: 'local', type: 'ext4'});
    expect(line).to.contain('not safe against kill -9 of agent and guardian together');
    expect(line).to.contain('/mnt/ha is a local file system (ext4): only this host sees it');
  });

  it('promises nothing to a node that serves alone', async () => {
    const line = promiseLine(await load({highAvailability: 'disabled'}), 'u', undefined, undefined);
    expect(line).to.contain('alone: without a lease nobody else takes over');
    expect(line).not.to.contain('silent host');
  });
});

// Who a process is: numbers are reused, identities are not.
import {expect} from 'chai';
import {spawn, type ChildProcess} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {
  allProcesses,
  childrenOf,
  identityOf,
  inInnerNamespace,
  isAlive,
  lookAt,
  mentions,
  signal,
} from '../../lib/guardian/proc.ts';
import {eventually} from '../support/eventually.ts';

describe('the identity of a process', () => {
  const children: ChildProcess[] = [];
  const start = (program: string, ...argv: string[]): number => {
    const child = spawn(program, argv, {stdio: 'ignore', env: {...process.env, MARK: 'marked-by-proc-test'}, detached: true});
    children.push(child);
    return child.pid ?? 0;
  };
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  it('holds for a living process, stopped or not, and ends with it', async () => {
    const identity = identityOf(start('sleep', '60'));
    if (!identity) throw new Error('not started');
    expect(isAlive(identity)).to.equal(true);
    expect(signal(identity, 'SIGSTOP')).to.equal(true);
    await eventually(() => readFileSync(`/proc/${identity.pid}/stat`, 'utf8').includes(' T '));
    expect(isAlive(identity)).to.equal(true);
    expect(signal(identity, 'SIGKILL')).to.equal(true);
    await eventually(() => !isAlive(identity));
    expect(signal(identity, 'SIGKILL')).to.equal(false);
  });

  it('is not that of a process with the same number and another start, nor of another boot', () => {
    const identity = identityOf(process.pid);
    if (!identity) throw new Error('we live');
    expect(isAlive(identity)).to.equal(true);
    expect(isAlive({...identity, startTicks: identity.startTicks + 1})).to.equal(false);
    expect(isAlive({...identity, bootId: 'another'})).to.equal(false);
    expect(signal({...identity, startTicks: identity.startTicks - 1}, 'SIGKILL')).to.equal(false);
  });

  it('counts a zombie as dead', async () => {
    // The shell's child ends, and sleep, which takes the shell's place, never reaps it.
    const parent = start('sh', '-c', 'true & exec sleep 60');
    const zombie = await eventually(() => {
      const pids = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ').map(Number);
      return pids.find((pid) => pid > 0 && lookAt(pid)?.dead === true);
    });
    expect(identityOf(zombie)).to.equal(undefined);
    expect(allProcesses().some((look) => look.pid === zombie)).to.equal(false);
    expect(childrenOf(parent)).to.deep.equal([]);
  });

  it('sees session, group, parent and what a process was given', async () => {
    const parent = start('sh', '-c', 'sleep 61 & wait');
    const [child] = await eventually(() => (childrenOf(parent).length === 1 ? childrenOf(parent) : undefined));
    expect(child).to.include({parent, group: parent, session: parent, dead: false});
    expect(lookAt(parent)).to.include({parent: process.pid, session: parent});
    expect(mentions(parent, 'MARK=marked-by-proc-test')).to.equal(true);
    expect(mentions(parent, 'MARK=not-this')).to.equal(false);
    expect(inInnerNamespace(parent)).to.equal(false);
  });

  it('survives names of programs that look like the fields after them', async () => {
    const pid = start('sh', '-c', 'printf ") Z 1 1 (" > /proc/$$/comm; while :; do sleep 1; done');
    await eventually(() => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith(') Z'));
    expect(lookAt(pid)).to.include({parent: process.pid, dead: false});
  });
});

// Lines between agent and guardian: what is not a message is no message.
import {expect} from 'chai';
import {LineSplitter, LINE_MAX, parseAgentMessage, parseGuardianMessage, unknownType, encode} from '../../lib/guardian/wire.ts';
import {OutputLines, LINE_KEPT, type OutputLine} from '../../lib/guardian/output-lines.ts';
import {epoch, monoMs} from '../../lib/protocol/words.ts';

describe('the lines between agent and guardian', () => {
  it('carry orders unchanged', () => {
    const orders = [
      {type: 'deadline', epoch: epoch(3), attempt: 4, deadline: monoMs(5.25)},
      {type: 'deadline', epoch: epoch(3), attempt: 5, deadline: 'now'},
      {type: 'start', run: 1, epoch: epoch(3)},
      {type: 'stop', run: 1},
      {type: 'keep'},
      {type: 'bye'},
    ] as const;
    for (const order of orders) expect(parseAgentMessage(encode({type: 'order', order}))).to.deep.equal({type: 'order', order});
  });

  for (const line of [
    '',
    'null',
    '[]',
    '{',
    '{"type":"order"}',
    '{"type":"order","order":{"type":"deadline","epoch":1,"attempt":1,"deadline":"later"}}',
    '{"type":"order","order":{"type":"deadline","epoch":1,"attempt":1,"deadline":null}}',
    '{"type":"order","order":{"type":"deadline","epoch":-1,"attempt":1,"deadline":1}}',
    '{"type":"order","order":{"type":"start","run":1.5,"epoch":1}}',
    '{"type":"hello","version":1,"token":"x","instanceId":"nope","agent":{"pid":1,"startTicks":1,"bootId":""}}',
    '{"type":"hello","version":1,"token":"x","instanceId":"0000000a","agent":{"pid":1,"startTicks":1,"bootId":""},"setup":{}}',
    '{"type":"environment","values":{"A":1}}',
  ]) {
    it(`do not take ${line || 'an empty line'} for a message`, () => {
      expect(parseAgentMessage(line)).to.equal(undefined);
    });
  }

  it('of an agent that does not know steadyMs yet are understood', () => {
    const times = {monitorIntervalMs: 1, timeoutMs: 1, attempts: 1, backoffMs: 1};
    const service = {kind: 'ensure', active: ['a'], passive: ['p'], launcher: [], ...times};
    const steadyMs = 30_000;
    expect(parseAgentMessage(JSON.stringify({type: 'ensure', service}))).to.deep.equal({
      type: 'ensure',
      service: {...service, steadyMs},
    });
    expect(parseAgentMessage(JSON.stringify({type: 'ensure', service: {...service, steadyMs: 7}}))).to.deep.include({
      service: {...service, steadyMs: 7},
    });
    const timing = {stopTimeoutMs: 1, safetyMarginMs: 1};
    const setup = {config: {timing, agentLossGraceMs: 0}, service, marker: 'm', cwd: '/', environment: {}};
    const agent = {pid: 1, startTicks: 1, bootId: ''};
    const hello = {type: 'hello', version: 1, token: 'x', instanceId: '0000000a', agent, setup};
    expect(parseAgentMessage(JSON.stringify(hello)))
      .to.have.nested.property('setup.service')
      .that.deep.equals({...service, steadyMs});
  });

  it('say what stands by for an exec service, or are no message', () => {
    const containment = {kind: 'group', launcher: [], prefix: [], safe: false, because: ''};
    const setup = {
      config: {timing: {stopTimeoutMs: 1, safetyMarginMs: 1}, agentLossGraceMs: 0},
      marker: 'm',
      cwd: '/',
      environment: {},
    };
    const hello = (standby: unknown): string => {
      const agent = {pid: 1, startTicks: 1, bootId: ''};
      const service = {kind: 'exec', command: ['a'], containment, standby};
      return JSON.stringify({type: 'hello', version: 1, token: 'x', instanceId: '0000000a', agent, setup: {...setup, service}});
    };
    for (const standby of [undefined, ['b']]) expect(parseAgentMessage(hello(standby))).to.include({type: 'hello'});
    for (const standby of [null, {}, [], 'b', [1]])
      expect(parseAgentMessage(hello(standby)), JSON.stringify(standby)).to.equal(undefined);
  });

  it('of a later agent are told from those that cannot be understood', () => {
    expect(unknownType('{"type":"later"}')).to.equal('later');
    for (const line of ['{"type":"order"}', '{"type":3}', '{}', '{']) expect(unknownType(line)).to.equal(undefined);
  });

  it('of a guardian are known by their type', () => {
    expect(parseGuardianMessage('{"type":"dropped","bytes":3}')).to.deep.equal({type: 'dropped', bytes: 3});
    expect(parseGuardianMessage('{"type":"order"}')).to.equal(undefined);
  });

  it('are put together from pieces, and have a greatest length', () => {
    const splitter = new LineSplitter();
    expect(splitter.push('ab')).to.deep.equal([]);
    expect(splitter.push('c\nd\ne')).to.deep.equal(['abc', 'd']);
    expect(splitter.push('\n')).to.deep.equal(['e']);
    expect(() => splitter.push('x'.repeat(LINE_MAX + 1))).to.throw(RangeError);
  });
});

describe('output, as the agent logs it', () => {
  const collect = (): {lines: OutputLine[]; output: OutputLines} => {
    const lines: OutputLine[] = [];
    return {lines, output: new OutputLines((line) => lines.push(line))};
  };

  it('is cut into lines, each stream for itself', () => {
    const {lines, output} = collect();
    output.push('service', 'stdout', 'one\ntw');
    output.push('service', 'stderr', 'oops\n');
    output.push('service', 'stdout', 'o\n\nrest');
    output.end();
    expect(lines.map((line) => `${line.stream} ${line.text}`)).to.deep.equal([
      'stdout one',
      'stderr oops',
      'stdout two',
      'stdout ',
      'stdout rest',
    ]);
  });

  it('keeps 16 KiB of a line of any length, and says how much more it was', () => {
    const {lines, output} = collect();
    for (let i = 0; i < 100; i += 1) output.push('service', 'stdout', 'x'.repeat(1_000));
    output.push('service', 'stdout', '\nshort\n');
    expect(lines.map((line) => line.text)).to.deep.equal([
      `${'x'.repeat(LINE_KEPT)} … (${100_000 - LINE_KEPT} characters more)`,
      'short',
    ]);
  });
});

// Every key of HAL and PROM in every spelling, and what becomes of it; what is missing is told, all of it at once.
import {expect} from 'chai';
import {parseLenientJson, type JsonObject} from '../../lib/compat/lenient-json.ts';
import {recognise} from '../../lib/compat/recognise.ts';
import {translate, type Circumstances, type Translation} from '../../lib/compat/translate.ts';

/** What a file needs, in PROM's spelling. */
const NEEDED = {
  'app-name': 'shop',
  'ensure-active-0': '/a 0',
  'ensure-passive-0': '/p 0',
  'prom-timeout': '50000',
  'no-of-retry-attempts': '3',
};
const LAUNCH: Circumstances = {nodeId: '0', launches: true, isGiven: () => false};

function read(text: string): JsonObject {
  const parsed = parseLenientJson(text);
  if ('object' in parsed) return parsed.object;
  throw new Error(`line ${parsed.line}: expected ${parsed.expected}`);
}

const of = (keys: object, around: Partial<Circumstances> = {}): Translation =>
  translate(read(JSON.stringify(keys)), {...LAUNCH, ...around});

/** @returns the value that an option of ours got. */
const valueOf = ({options}: Translation, key: string): unknown => options.find((option) => option.key === key)?.value;

/** Those of NEEDED but these keys, and others. */
function changed(remove: readonly string[], add: object = {}): object {
  return {...Object.fromEntries(Object.entries(NEEDED).filter(([key]) => !remove.includes(key))), ...add};
}

describe('the keys of HAL and PROM', () => {
  const spellings: readonly (readonly [legacy: string, given: unknown, key: string, value: unknown, instead?: string])[] = [
    ['appName', 'shop2', 'app', 'shop2', 'app-name'],
    ['app-name', 'shop2', 'app', 'shop2'],
    ['app-name', '1 voting  app/ü', 'app', '1-voting-app-'],
    ['timeout', '20000', 'leaseTimeout', '20s', 'prom-timeout'],
    ['hal-timeout', '20000', 'leaseTimeout', '20s', 'prom-timeout'],
    ['prom-timeout', '20000', 'leaseTimeout', '20s'],
    ['prom-timeout', 20_000, 'leaseTimeout', '20s'],
    ['prom-timeout', 2_500, 'leaseTimeout', '2500ms'],
    ['prom-timeout', '500', 'leaseTimeout', '1s'],
    ['prom-timeout', '20000', 'service.commandTimeout', '200s'],
    ['prom-timeout', '80000000', 'service.commandTimeout', '24h'],
    ['noOfRetryAttempts', '5', 'service.attempts', 5, 'no-of-retry-attempts'],
    ['no-of-retry-attempts', 5, 'service.attempts', 5],
    ['core-restart-attempts', '5', 'service.attempts', 5, 'no-of-retry-attempts'],
    ['restart-backoff-time', '1500', 'service.backoff', '1500ms'],
    ['restart-timeout', 1_500, 'service.backoff', '1500ms'],
    ['core-restart-backoff-time', '1500', 'service.backoff', '1500ms'],
    ['restart-backoff-time', '', 'service.backoff', '0s'],
    ['aid', 'x', 'service.backoff', '0s'],
    ['core-monitor-sleep-time', '5000', 'service.monitorInterval', '5s'],
    ['core-monitor-sleep-time', 5_000, 'service.monitorInterval', '5s'],
    ['core-monitor-sleep-time', '0', 'service.monitorInterval', '1s'],
    ['core-monitor-sleep-time', 'often', 'service.monitorInterval', '1s'],
    ['aid', 'x', 'service.monitorInterval', '1s'],
    ['ensure-active-0', './go.sh 0 active', 'service.active', ['./go.sh', '0', 'active']],
    ['ensure-passive-0', 'sh -c "exit 2"', 'service.passive', ['sh', '-c', 'exit 2']],
    ['start-active-0', 'false', 'passive', true],
    ['start-as-active-0', 'false', 'passive', true],
    ['start-as-active-0', false, 'passive', true],
    ['start-active-0', 'true', 'passive', undefined],
    ['start-active-0', 'perhaps', 'passive', undefined],
    ['start-active-1', 'false', 'passive', undefined],
  ];
  for (const [legacy, given, key, value, instead] of spellings) {
    it(`${legacy}: ${JSON.stringify(given)} is ${key}: ${JSON.stringify(value)}`, () => {
      const translation = of(changed(instead === undefined ? [] : [instead], {[legacy]: given}));
      expect(translation.faults).to.deep.equal([]);
      expect(valueOf(translation, key)).to.deep.equal(value);
    });
  }

  for (const [list, restart] of [
    ['replicaIdList', 'restart-hal-'],
    ['replica-id-list', 'restart-prom-'],
    ['replicaIdList', 'restart-prom-'],
    ['replica-id-list', 'restart-hal-'],
  ] as const) {
    it(`${list} and ${restart}N are restartPeer: the others on the list that have a command`, () => {
      const commands = {[`${restart}0`]: 'x 0', [`${restart}1`]: 'x 1', [`${restart}2`]: '', [`${restart}3`]: 'x 3'};
      const translation = of({...NEEDED, ...commands, [list]: ['0', 1, '2']});
      expect(translation.faults).to.deep.equal([]);
      expect(valueOf(translation, 'restartPeer')).to.deep.equal({'1': ['x', '1']});
      expect(translation.warnings.join()).to.contain(`${restart}3: never run`);
    });
  }

  it('has the spelling that the daemon itself reads win over one that it passes over', () => {
    const prom = of({...NEEDED, timeout: '1234', 'hal-timeout': '2345', noOfRetryAttempts: '9'});
    expect([prom.daemon, valueOf(prom, 'leaseTimeout'), valueOf(prom, 'service.attempts')]).to.deep.equal(['PROM', '50s', 3]);
    expect(prom.warnings).to.include('hal-timeout, timeout: no effect, because prom-timeout is there');
    const hal = of({
      appName: 'a',
      'ensure-active-0': 'a',
      'ensure-passive-0': 'p',
      noOfRetryAttempts: 1,
      timeout: 9000,
      'hal-timeout': 8000,
    });
    expect([hal.daemon, valueOf(hal, 'leaseTimeout')]).to.deep.equal(['HAL', '8s']);
  });

  it('P22: takes ids of any kind, none of which is mistaken for another', () => {
    const keys = {
      ...changed(['ensure-active-0', 'ensure-passive-0']),
      'ensure-active-1': 'a 1',
      'ensure-active-10': 'a 10',
      'ensure-passive-1': 'p 1',
      'ensure-passive-10': 'p 10',
      'ensure-active-sdnc01': 'a sdnc01',
      'ensure-passive-sdnc01': 'p sdnc01',
      'restart-prom-1': 'r 1',
      'restart-prom-10': 'r 10',
      'replica-id-list': ['1', '10', 'sdnc02'],
    };
    expect(valueOf(of(keys, {nodeId: '1'}), 'service.active')).to.deep.equal(['a', '1']);
    expect(valueOf(of(keys, {nodeId: '1'}), 'restartPeer')).to.deep.equal({'10': ['r', '10']});
    expect(valueOf(of(keys, {nodeId: '10'}), 'service.passive')).to.deep.equal(['p', '10']);
    const unlisted = of(keys, {nodeId: 'sdnc01'});
    expect(unlisted.faults).to.deep.equal([]);
    expect(valueOf(unlisted, 'restartPeer')).to.deep.equal({'1': ['r', '1'], '10': ['r', '10']});
    expect(unlisted.warnings).to.include('replica-id-list: sdnc01 is not on it, so nobody restarts this node');
  });

  it('never shows what the credentials are, only that they have no effect', () => {
    const {warnings} = of({...NEEDED, aid: 'a', namespace: 'n', userid: 'me', password: 'hunter2', 'music-location': ['x']});
    expect(warnings.join()).to.contain('aid, namespace, userid, password, music-location: no effect').and.not.contain('hunter2');
  });

  it('says how a command is read that those daemons would have cut differently', () => {
    const {warnings} = of({...NEEDED, 'ensure-active-0': "ssh h 'cd /d && ./x'"});
    expect(warnings.join()).to.contain('ensure-active-0: quotes group').and.contain('["ssh","h","cd /d && ./x"]');
  });
});

describe('P24: what is missing or wrong in a file of HAL or PROM', () => {
  const missing: readonly (readonly [remove: string, expected: RegExp])[] = [
    ['ensure-active-0', /the command that makes node 0 active; the file has none at all/],
    ['ensure-passive-0', /the command that makes node 0 passive/],
    ['prom-timeout', /the time in milliseconds/],
    ['no-of-retry-attempts', /how often a command is tried/],
  ];
  for (const [remove, expected] of missing) {
    it(`is told where ${remove} is missing`, () => {
      const {faults} = of(changed([remove]));
      // Without any key of its own a file is taken for HAL's.
      expect(faults.map((fault) => fault.found)).to.deep.equal([undefined]);
      expect(faults[0]?.expected).to.match(expected);
    });
  }

  const wrong: readonly (readonly [key: string, value: unknown, expected: RegExp])[] = [
    ['prom-timeout', '', /a whole number of milliseconds from 1 to/],
    ['prom-timeout', '50s', /a whole number of milliseconds/],
    ['prom-timeout', 0, /from 1/],
    ['prom-timeout', ['1'], /a whole number/],
    ['no-of-retry-attempts', '0', /a whole number of attempts from 1 to 1000/],
    ['no-of-retry-attempts', '1.5', /a whole number/],
    ['replica-id-list', '0,1', /a list of node ids/],
    ['replica-id-list', [['0']], /a list of node ids/],
    ['ensure-active-0', ['/a'], /text/],
    ['app-name', {a: 1}, /text/],
  ];
  for (const [key, value, expected] of wrong) {
    it(`is told where ${key} is ${JSON.stringify(value)}`, () => {
      const fault = of({...NEEDED, [key]: value}).faults.find((each) => each.key === key);
      expect(fault?.expected).to.match(expected);
      expect(fault?.line).to.equal(1);
    });
  }

  it('is told all at once', () => {
    const {faults} = of({'replica-id-list': ['0'], 'no-of-retry-attempts': 0});
    expect(faults.map(({key}) => key)).to.have.members([
      'hal-timeout',
      'no-of-retry-attempts',
      'ensure-active-0',
      'ensure-passive-0',
    ]);
  });

  it('names the nodes that the file knows, where it does not know this one', () => {
    const {faults} = of(NEEDED, {nodeId: 'web7'});
    expect(faults.map(({key}) => key)).to.deep.equal(['ensure-active-web7', 'ensure-passive-web7']);
    expect(faults[0]?.expected).to.contain('the file has those of 0: say with --id which one this node is');
  });

  it('needs the list of peers only where somebody is to be restarted', () => {
    expect(of({...NEEDED, 'restart-prom-1': 'r 1'}).faults.map(({key}) => key)).to.deep.equal(['replica-id-list']);
    expect(of({...NEEDED, 'restart-prom-1': ''}).faults).to.deep.equal([]);
  });

  it('needs no commands where nothing is launched, or another service is given', () => {
    const keys = changed(['ensure-active-0', 'ensure-passive-0']);
    expect(of(keys, {launches: false}).faults).to.deep.equal([]);
    expect(of(keys, {isGiven: (key) => key === 'service.command'}).faults).to.deep.equal([]);
  });

  it('takes a file without an app name, as those daemons do', () => {
    for (const keys of [changed(['app-name']), {...NEEDED, 'app-name': ''}]) {
      const translation = of(keys);
      expect(translation.faults).to.deep.equal([]);
      expect(valueOf(translation, 'app')).to.equal(undefined);
      expect(translation.warnings).to.include('it names no app: the app is "default"');
    }
  });
});

describe('a file of HAL or PROM', () => {
  const table: readonly (readonly [text: string, kind: string])[] = [
    ['{"appName":"a"}', 'keys'],
    ['{"ensure-active-0":"a" "timeout":"1"}', 'keys'],
    ['{"prom-timeout":1}', 'keys'],
    ['{"appName":"a", "timeout', 'broken'],
    ['{"nodeId":"a","leaseTimeout":"30s"}', 'other'],
    ['{"timeout":"30s"}', 'other'],
    ['{"nodeId":', 'other'],
    ['appName: a\nprom-timeout: 1\n', 'other'],
    ['', 'other'],
    ['{}', 'other'],
  ];
  for (const [text, kind] of table) {
    it(`${kind === 'other' ? 'is not' : 'is'} ${JSON.stringify(text)}${kind === 'broken' ? ', broken' : ''}`, () => {
      expect(recognise(text).kind).to.equal(kind);
    });
  }
});

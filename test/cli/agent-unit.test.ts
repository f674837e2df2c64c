// The text of the agent's unit: what stands there is what systemd hands over.
import {expect} from 'chai';
import {agentUnitText, commandWord, UNIT_MARK, type AgentUnitPlan} from '../../lib/cli/agent-unit.ts';

const PLAN: AgentUnitPlan = {
  description: 'ha-agent, node n1 of shop',
  command: ['/usr/bin/node', '/opt/ha agent/main.cjs', 'launch', '--', '/bin/svc', '$HOME', '100%', ''],
  environment: [['HA_AGENT_SERVICE_ATTEMPTS', '5']],
  user: undefined,
  group: undefined,
  workingDirectory: '/var/lib/ha-agent/ha.shop.n1.0123',
  stateDirectory: 'ha-agent/ha.shop.n1.0123',
  watchdogMs: 30_000,
  stopMs: 45_500,
};

const linesOf = (plan: Partial<AgentUnitPlan> = {}): string[] => agentUnitText({...PLAN, ...plan}).split('\n');

describe('the unit of an agent', () => {
  it('is known by its first line', () => {
    expect(agentUnitText(PLAN).startsWith(UNIT_MARK)).to.equal(true);
  });

  it('leaves the guardian its work, and watches the agent', () => {
    expect(linesOf()).to.include.members([
      'Type=notify',
      'NotifyAccess=main',
      'KillMode=process',
      'Restart=on-failure',
      'RestartPreventExitStatus=3',
      'WatchdogSec=30s',
      'WatchdogSignal=SIGKILL',
      'TimeoutStopSec=46s',
      'StateDirectory=ha-agent/ha.shop.n1.0123',
      'Environment=HA_AGENT_SERVICE_ATTEMPTS=5',
    ]);
  });

  it('never makes the agent depend on a mount', () => {
    expect(agentUnitText(PLAN)).not.to.match(/RequiresMountsFor|Requires=/);
    expect(linesOf()).to.include('After=network-online.target remote-fs.target');
  });

  it('of another user lets systemd-notify speak for it', () => {
    expect(linesOf({user: 'ha', group: 'ops'})).to.include.members(['User=ha', 'Group=ops', 'NotifyAccess=all']);
  });

  it('hands its words over as they are', () => {
    expect(linesOf()).to.include('ExecStart=/usr/bin/node "/opt/ha agent/main.cjs" launch -- /bin/svc "$$HOME" 100%% ""');
  });

  const WORDS: readonly [string, string][] = [
    ['plain-1.0,a=b:/c@d+e', 'plain-1.0,a=b:/c@d+e'],
    ['a b', '"a b"'],
    ['a"b\\', '"a\\"b\\\\"'],
    ["it's", `"it's"`],
    ['a\nb', '"a\\x0ab"'],
    [';', '";"'],
    ['%n', '%%n'],
    ['$x', '"$$x"'],
  ];
  for (const [word, expected] of WORDS)
    it(`writes ${JSON.stringify(word)} as ${expected}`, () => expect(commandWord(word)).to.equal(expected));
});

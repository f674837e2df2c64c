// What systemd says of a unit, where its processes may be, and what the unit is given. Without systemd; that is in test/more/systemd-*.
import {mkdirSync, readFileSync, statSync} from 'node:fs';
import path from 'node:path';
import {expect} from 'chai';
import {closeGate, dropInText, environmentFileOf, environmentText, openGate} from '../../lib/guardian/unit-gate.ts';
import {restOf} from '../../lib/guardian/unit-stop.ts';
import {controlGroupsOf, isDown, parseLook, processesIn, stateText, systemctl, type UnitLook} from '../../lib/guardian/unit.ts';
import {useTempDir} from '../support/temp-dir.ts';

const ANSWER = `Type=simple
MainPID=43
Result=success
Slice=system.slice
ControlGroup=/system.slice/shop.service
Id=shop.service
TriggeredBy=shop.socket shop.timer
LoadState=loaded
ActiveState=active
SubState=running
DropInPaths=/etc/systemd/system/shop.service.d/a.conf /run/systemd/system/shop.service.d/50-ha-agent.conf
NeedDaemonReload=no
Job=
`;

function look(more = ''): UnitLook {
  const found = parseLook(ANSWER + more);
  if (!found) throw new Error('the answer cannot be read');
  return found;
}

describe('a unit as systemctl shows it', () => {
  it('is read whatever the order of its lines', () => {
    expect(look()).to.deep.include({id: 'shop.service', activeState: 'active', mainPid: 43, hasJob: false, needsReload: false});
    expect(look().triggers).to.deep.equal(['shop.socket', 'shop.timer']);
    expect(look().dropIns).to.have.length(2);
  });

  it('is not made up of something else', () => {
    for (const text of ['', 'Failed to connect to bus', 'Id=\nActiveState=active\nMainPID=0'])
      expect(parseLook(text)).to.equal(undefined);
  });

  it('is down only when it is inactive or failed and nothing is still to be done with it', () => {
    expect(isDown(look())).to.equal(false);
    expect(isDown(look('ActiveState=inactive\n'))).to.equal(true);
    expect(isDown(look('ActiveState=failed\n'))).to.equal(true);
    expect(isDown(look('ActiveState=activating\n'))).to.equal(false);
    expect(isDown(look('ActiveState=inactive\nJob=1234\n'))).to.equal(false);
  });

  it('is told in words, with the reason where it failed', () => {
    expect(stateText(look())).to.equal('active (running)');
    expect(stateText(look('ActiveState=failed\nSubState=failed\nResult=exit-code\n'))).to.equal('failed (failed, exit-code)');
  });
});

describe('the control groups of a unit', () => {
  const groups = (slice: string, controlGroup = ''): string[] => controlGroupsOf({id: 'shop.service', slice, controlGroup});

  it('are known also when systemd has forgotten them', () => {
    expect(groups('system.slice')).to.include('/system.slice/shop.service');
    expect(groups('')).to.include('/system.slice/shop.service');
    expect(groups('-.slice')).to.include('/shop.service');
    expect(groups('system-shop\\x2dall.slice')).to.include('/system.slice/system-shop\\x2dall.slice/shop.service');
    expect(groups('a-b-c.slice')).to.include('/a.slice/a-b.slice/a-b-c.slice/shop.service');
  });

  it('are what systemd says, too', () => {
    expect(groups('system.slice', '/other.slice/shop.service')).to.include('/other.slice/shop.service');
  });

  it('are never those of everybody', () => {
    for (const group of [...groups('-.slice', '/'), ...groups('system.slice', '/system.slice')])
      expect(group).to.match(/shop\.service$/);
  });

  it('of a unit that was never there hold no process, where that can be known', () => {
    expect(processesIn(controlGroupsOf({id: 'never-there.service', slice: '', controlGroup: ''})) ?? []).to.deep.equal([]);
  });
});

describe('what is left of a unit', () => {
  it('is not known when systemd does not answer, so nothing is proven', () => {
    expect(restOf('shop.service', {ok: false, because: 'no answer'})).to.deep.equal({
      gone: false,
      because: 'no answer',
      look: undefined,
    });
  });

  it('is the unit itself while it runs', () => {
    expect(restOf('shop.service', {ok: true, look: look()})).to.include({
      gone: false,
      because: 'the unit shop.service is active (running)',
    });
  });
});

describe('the gate of a unit', () => {
  const dir = useTempDir();

  it('gives it the epoch and the rest, quoted as systemd reads it, and nothing else', () => {
    const text = environmentText({
      HA_EPOCH: '42',
      HA_APP: 'shop',
      HA_PERSISTENCE_DIR: '/mnt/a "b" $c\\',
      HA_AGENT_GUARDIAN: 'secret',
      PATH: '/bin',
    });
    expect(text).to.contain('HA_EPOCH="42"\n').and.to.contain('HA_PERSISTENCE_DIR="/mnt/a \\"b\\" \\$c\\\\"\n');
    expect(text).not.to.match(/secret|PATH="\/bin/);
  });

  it('is open while the file is there', () => {
    const file = path.join(dir(), 'app', 'shop.service.env');
    openGate(file, {HA_EPOCH: '1'});
    openGate(file, {HA_EPOCH: '2'});
    expect(readFileSync(file, 'utf8')).to.contain('HA_EPOCH="2"');
    expect(statSync(file).mode & 0o777).to.equal(0o644);
    closeGate(file);
    expect(() => statSync(file)).to.throw('ENOENT');
    closeGate(file);
  });

  it('that cannot be closed says so', () => {
    const file = path.join(dir(), 'app', 'shop.service.env');
    mkdirSync(file, {recursive: true});
    expect(() => closeGate(file)).to.throw();
  });

  it('asserts the file, and binds the unit to the guardian', () => {
    const file = environmentFileOf('shop', 'a\\x2db@1.service');
    expect(file).to.equal('/run/ha-agent/shop/a_x2db@1.service.env');
    const text = dropInText(file, 2_500, 'ha-agent-guardian-12ab.scope');
    for (const line of [
      `AssertPathExists=${file}`,
      `EnvironmentFile=${file}`,
      'BindsTo=ha-agent-guardian-12ab.scope',
      'TimeoutStopSec=2500ms',
    ])
      expect(text.split('\n')).to.include(line);
    expect(dropInText(file, 2_500, undefined)).not.to.contain('BindsTo');
  });
});

describe('a call of systemctl', () => {
  it('that fails gives its first complaint as the reason', async () => {
    const {end, because} = await systemctl(['no-such-verb'], 10_000).answer;
    expect(end.status).not.to.equal(0);
    expect(because).to.match(/no-such-verb|could not be started/);
  });
});

// Which units can be the service of a node, judged by what systemd says of them.
import {expect} from 'chai';
import {parseLook, type UnitLook} from '../../lib/guardian/unit.ts';
import {judgeUnit, type StateOf} from '../../lib/service/unit-check.ts';

/** As `systemctl show` prints it. */
function shown(values: Readonly<Record<string, string>> = {}): UnitLook {
  const all = {
    Id: 'shop.service',
    LoadState: 'loaded',
    ActiveState: 'inactive',
    MainPID: '0',
    UnitFileState: 'disabled',
    KillMode: 'control-group',
    Type: 'simple',
    ...values,
  };
  const look = parseLook(
    Object.entries(all)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  if (!look) throw new Error('this is no answer of systemctl');
  return look;
}

const idle: StateOf = () => Promise.resolve({activeState: 'inactive', fileState: 'disabled'});
const listening: StateOf = () => Promise.resolve({activeState: 'active', fileState: 'static'});
const enabled: StateOf = () => Promise.resolve({activeState: 'inactive', fileState: 'enabled'});

describe('judgeUnit', () => {
  it('takes a unit that nobody starts', async () => {
    for (const UnitFileState of ['disabled', 'static', 'linked', ''])
      expect(await judgeUnit(shown({UnitFileState}), idle)).to.deep.equal({refusal: undefined, warnings: []});
  });

  const REFUSED: readonly [string, Readonly<Record<string, string>>, StateOf, RegExp][] = [
    ['is enabled', {UnitFileState: 'enabled'}, idle, /systemctl disable shop\.service/],
    ['is enabled until the next boot', {UnitFileState: 'enabled-runtime'}, idle, /systemctl disable shop\.service/],
    ['has a socket that listens', {TriggeredBy: 'shop.socket'}, listening, /systemctl disable --now shop\.socket/],
    ['has a timer that is enabled', {TriggeredBy: 'shop.timer'}, enabled, /systemctl disable --now shop\.timer/],
    ['is masked', {LoadState: 'masked'}, idle, /systemctl status shop\.service/],
    ['is not there', {LoadState: 'not-found'}, idle, /systemctl status shop\.service/],
  ];
  for (const [what, values, stateOf, hint] of REFUSED) {
    it(`refuses one that ${what}, and says what to do`, async () => {
      expect((await judgeUnit(shown(values), stateOf)).refusal?.hint).to.match(hint);
    });
  }

  const WARNED: readonly [string, Readonly<Record<string, string>>, RegExp][] = [
    ['another unit pulls in', {WantedBy: 'multi-user.target'}, /pulled in by multi-user\.target/],
    ['an idle trigger could start', {TriggeredBy: 'shop.path'}, /would be started by shop\.path/],
    ['D-Bus may start', {Type: 'dbus', BusName: 'org.example.Shop'}, /D-Bus .*org\.example\.Shop/],
    ['leaves processes behind', {KillMode: 'process'}, /KillMode=process/],
  ];
  for (const [what, values, warning] of WARNED) {
    it(`warns of one that ${what}`, async () => {
      const {refusal, warnings} = await judgeUnit(shown(values), idle);
      expect(refusal).to.equal(undefined);
      expect(warnings).to.have.length(1);
      expect(warnings[0]).to.match(warning);
    });
  }
});

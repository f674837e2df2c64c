// What is around the service when a node is launched: an address that is up already is ours only if something here says so.
import {expect} from 'chai';
import {removeLeftAddresses, type AddressBench} from '../../lib/cli/launch-around.ts';
import {isHaError} from '../../lib/errors.ts';
import type {FloatingAddress} from '../../lib/guardian/address.ts';
import {identityOf} from '../../lib/guardian/proc.ts';
import {placeOfRecord, type GuardianRecord} from '../../lib/guardian/record.ts';
import {runTool} from '../../lib/guardian/tool.ts';
import {quiet} from '../agent/stubs.ts';

/** Every host has it, and would miss it. */
const OWN: FloatingAddress = {address: '127.0.0.1', prefixLength: 8, interface: 'lo'};
/** Of a network for documentation: no host has it. */
const FREE: FloatingAddress = {address: '192.0.2.10', prefixLength: 24, interface: 'lo'};

describe('the floating addresses of a launch', () => {
  before(async function () {
    const {ok, because} = await runTool(['ip', 'address', 'show', 'to', '127.0.0.1'], 5_000);
    if (ok) return;
    console.log(`      SKIPPED: ${because}; scripts/install-test-tools.sh installs it`);
    this.skip();
  });

  const benchOf = (...vip: FloatingAddress[]): AddressBench => ({config: {vip}, log: quiet, leaving: new AbortController()});
  const nothing = {kept: [], living: undefined};

  function recordOf(...addresses: FloatingAddress[]): GuardianRecord {
    const own = identityOf(process.pid);
    if (!own) throw new Error('this process cannot be seen in /proc');
    const names = {socketPath: '/nowhere/s', token: 't', marker: `launch-test-${process.pid}`};
    return {version: 1, ...names, guardian: own, agent: own, service: 'none', addresses, ...placeOfRecord()};
  }

  it('are refused where the host has one of them for itself, and it stays', async () => {
    const refusal: unknown = await removeLeftAddresses(benchOf(FREE, OWN), nothing, () => undefined).catch(
      (error: unknown) => error,
    );
    if (!isHaError(refusal, 'vip.unusable')) throw refusal;
    expect(refusal.message).to.equal(
      'the floating address 127.0.0.1/8 on lo cannot be held here: ' +
        '127.0.0.1/8 is already up on lo, and nothing here says that ha-agent has put it up',
    );
    expect(refusal.hint).to.contain('ip address delete 127.0.0.1/8 dev lo');
    expect((await runTool(['ip', '-o', 'address', 'show', 'to', '127.0.0.1'], 5_000)).stdout).to.contain('127.0.0.1/8');
  });

  it('pass where none is up, whatever records name', async () => {
    const kept = [{instances: [], record: recordOf(FREE, {...FREE, interface: 'nowhere0'})}];
    expect(await removeLeftAddresses(benchOf(FREE), {...nothing, kept}, () => undefined)).to.equal(true);
  });

  it('are left to a living guardian that has them up', async () => {
    expect(await removeLeftAddresses(benchOf(OWN), {...nothing, living: recordOf(OWN)}, () => undefined)).to.equal(true);
  });
});

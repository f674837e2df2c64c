// The harness of the end-to-end tests can fail: with real processes that overlap, and with some that are left behind.
import fs from 'node:fs';
import {expect} from 'chai';
import {eventually} from '../../support/eventually.ts';
import {Cluster} from './cluster.ts';
import {processesOf} from './processes.ts';
import {witness} from './witness.ts';

describe('the harness of the end-to-end tests', () => {
  it('finds a service that got away: a process group can be escaped, which is why that is not called safe', async () => {
    const cluster = await Cluster.create({
      nodes: ['n1', 'n2'],
      containment: 'group',
      service: witness('--escape', '--ignore-term'),
    });
    try {
      const {master, other} = await cluster.upAsPair();
      await eventually(() => master.servicePids.length === 2, 20_000, 'there should be two witnesses');
      await master.kill('agent', 'guardian');
      await cluster.untilMaster(other.id);
      await eventually(() => master.servicePids.length === 1, 20_000, 'one witness should be left');
      expect(() => cluster.witnessed()).to.throw(`OVERLAP`);
      expect(() => cluster.assertNothingLeft()).to.throw('left behind');
    } finally {
      await cluster.remove();
    }
    expect(processesOf(cluster.root)).to.deep.equal([]);
    expect(fs.existsSync(cluster.root)).to.equal(false);
  });
});

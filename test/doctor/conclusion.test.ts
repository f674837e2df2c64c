// The conclusion of a doctor: the promise that is left, and what was not tried.
import {expect} from 'chai';
import {conclude} from '../../lib/doctor/conclusion.ts';
import type {Findings} from '../../lib/doctor/findings.ts';
import {findings, HOST, measured, MOUNT, NOT_TRIED, PARTNER, TALLY} from './findings-fixture.ts';

const mount = (changes: Partial<typeof MOUNT>): Partial<Findings> => ({mount: {...MOUNT, ...changes}});
const type = (name: string): Partial<Findings> => mount({type: name, source: 'x', options: ['rw'], serverLeaseMs: undefined});
const sees = (listedMs: number): Partial<Findings> => ({
  partner: {...PARTNER, visibility: measured({changes: 5, listedMs, readMs: 20, limitMs: 10_000})},
});
const broken = {...TALLY, once: 199, broken: 1, example: 'told that it had won: rival1 and rival2'};

describe('the conclusion of doctor', () => {
  it('promises what the timings give where nothing is wrong', () => {
    const {safe, promise, verdicts} = conclude(findings());
    expect(verdicts.filter(({level}) => level !== 'ok')).to.deep.equal([]);
    expect(safe).to.equal(true);
    expect(promise).to.equal(
      'This deployment promises at most one active service: another node serves after a silent host within 30 s (T) + start, ' +
        'after a crash of the agent within 10 s (stop of the service, at most S) + 1 s (notice) + start; ' +
        '18 s (T - S - d) without the store are ridden out.',
    );
  });

  it('promises nothing while anything is unsafe, and names it', () => {
    const {safe, promise} = conclude(findings({rivals: measured(broken), ...mount({options: [...MOUNT.options, 'ro']})}));
    expect(safe).to.equal(false);
    expect(promise).to.equal('This deployment promises nothing until what is unsafe has been mended: mount options, rename.');
  });

  for (const [title, changes, says] of [
    ['a local file system', type('ext4'), 'at most one active service among the processes of this host alone:'],
    ['an untried file system', type('ceph'), 'if ceph renames as NFS does:'],
    [
      'a process group',
      {host: {...HOST, containment: {...HOST.containment, safe: false}}},
      'not against kill -9 of agent and guardian',
    ],
    ['changes seen late', sees(4_000), 'both later by as long as changes made by host2 stay unseen here'],
    ['a long grace period', mount({serverLeaseMs: 90_000}), 'ridden out, which a restart of the server may outlast.'],
  ] as const) {
    it(`limits the promise for ${title}, which is a warning and no more`, () => {
      const {safe, promise} = conclude(findings(changes));
      expect(promise).to.contain(says);
      expect(safe).to.equal(true);
    });
  }

  it('says what was not tried', () => {
    const {notTried} = conclude(findings({partner: undefined, rivals: NOT_TRIED}));
    expect(notTried.join('\n'))
      .to.match(/^rename: because of what is unsafe above\n/)
      .and.contain('--serve ADDRESS')
      .and.contain('clock rate: no other node')
      .and.contain('exports with "sync"');
    expect(conclude(findings({partner: undefined, ...type('ext4')})).notTried).to.deep.equal([]);
  });
});

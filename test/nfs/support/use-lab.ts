// A lab for all tests of a describe; where none can run, they are skipped with the reason.
import {LabUnavailable} from '../../../scripts/nfs-lab/host.ts';
import {openLab, type Lab} from '../../../scripts/nfs-lab/lab.ts';
import type {LabOptions} from '../../../scripts/nfs-lab/plan.ts';

/** Packages may have to be installed first. */
const OPEN_MS = 900_000;
const CLOSE_MS = 60_000;
/** More than all tests last; should the process hang, its labs end all the same. */
const TTL_S = 7200;

/** CI has no more than this for all of them; what has not begun by then is skipped. Unlimited if not given. */
const MINUTES = process.env['HA_AGENT_NFS_MINUTES'];
const endsAtMs = MINUTES === undefined ? Infinity : performance.now() + Number(MINUTES) * 60_000;

const LATE = `skipped: the ${MINUTES} minutes of HA_AGENT_NFS_MINUTES are over; npm run test:nfs runs everything\n`;

/** What most tests want: files that ask for no more share one lab for each version, which has three clients. */
const SHARED = {clients: 3, graceS: 10};
const shared = new Map<string, Lab>();
let opened = 0;

after(async function () {
  this.timeout(CLOSE_MS);
  for (const lab of shared.values()) await lab.close();
  shared.clear();
});

/** Call it in `describe`, and the result in a test. The lab ends with this process, whatever ends that. */
export function useLab(options: LabOptions): () => Lab {
  const shares = canShare(options);
  let lab: Lab | undefined;
  let failed = false;
  before(async function () {
    this.timeout(OPEN_MS);
    if (isLate()) {
      process.stderr.write(LATE);
      this.skip();
    }
    try {
      lab = shares ? await sharedLab(options) : await openOne(options);
    } catch (error) {
      if (!(error instanceof LabUnavailable)) throw error;
      process.stderr.write(`skipped, no NFS lab here: ${error.message}\n`);
      this.skip();
    }
  });
  beforeEach(function () {
    if (isLate()) {
      process.stderr.write(LATE);
      this.skip();
    }
  });
  afterEach(function () {
    failed ||= this.currentTest?.isFailed() === true;
  });
  after(async function () {
    this.timeout(CLOSE_MS);
    // What a failed test has left behind is nothing for others.
    if (shares && !failed) return;
    if (lab && shared.get(lab.plan.vers) === lab) shared.delete(lab.plan.vers);
    await lab?.close();
  });
  return () => {
    if (!lab) throw new Error('the lab exists only while a test runs');
    return lab;
  };
}

function canShare({vers, clients = 3, graceS, ...more}: LabOptions): boolean {
  return vers !== undefined && clients <= SHARED.clients && graceS === SHARED.graceS && Object.keys(more).length === 0;
}

async function sharedLab({vers}: LabOptions): Promise<Lab> {
  const key = vers ?? '';
  const lab = shared.get(key) ?? (await openOne({...SHARED, ...(vers && {vers})}));
  shared.set(key, lab);
  return lab;
}

function openOne(options: LabOptions): Promise<Lab> {
  opened += 1;
  return openLab({id: `test-${process.pid}-${opened}`, tied: true, ttlS: TTL_S, ...options});
}

const isLate = (): boolean => performance.now() >= endsAtMs;

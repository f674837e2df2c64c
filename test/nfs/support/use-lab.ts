// A lab for all tests of a describe; where none can run, they are skipped with the reason.
import {LabUnavailable} from '../../../scripts/nfs-lab/host.ts';
import {openLab, type Lab} from '../../../scripts/nfs-lab/lab.ts';
import type {LabOptions} from '../../../scripts/nfs-lab/plan.ts';

/** Packages may have to be installed first. */
const OPEN_MS = 900_000;
const CLOSE_MS = 60_000;
/** More than any test lasts; should the process hang, its labs end all the same. */
const TTL_S = 3600;

/** CI has no more than this for all of them; what has not begun by then is skipped. Unlimited if not given. */
const MINUTES = process.env['HA_AGENT_NFS_MINUTES'];
const endsAtMs = MINUTES === undefined ? Infinity : performance.now() + Number(MINUTES) * 60_000;

const LATE = `skipped: the ${MINUTES} minutes of HA_AGENT_NFS_MINUTES are over; npm run test:nfs runs everything\n`;

let opened = 0;

/** Call it in `describe`, and the result in a test. The lab ends with this process, whatever ends that. */
export function useLab(options: LabOptions): () => Lab {
  let lab: Lab | undefined;
  before(async function () {
    this.timeout(OPEN_MS);
    if (isLate()) {
      process.stderr.write(LATE);
      this.skip();
    }
    opened += 1;
    try {
      lab = await openLab({id: `test-${process.pid}-${opened}`, tied: true, ttlS: TTL_S, ...options});
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
  after(async function () {
    this.timeout(CLOSE_MS);
    await lab?.close();
  });
  return () => {
    if (!lab) throw new Error('the lab exists only while a test runs');
    return lab;
  };
}

const isLate = (): boolean => performance.now() >= endsAtMs;

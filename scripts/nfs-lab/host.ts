// Whether a lab can run on this host: what it needs of it, and the packages that it installs where they are missing.
import {execFile} from 'node:child_process';
import {access, constants, mkdir, readFile} from 'node:fs/promises';
import path from 'node:path';
import {hasCode} from '../../lib/guardian/proc.ts';
import {command} from './network.ts';
import {LabError, REPO_ROOT} from './plan.ts';

/** The lab cannot run here, whatever is tried: tests skip for this reason. */
export class LabUnavailable extends LabError {
  override readonly name = 'LabUnavailable';
}

const INSTALL_MS = 900_000;
const TUN = '/dev/net/tun';

/** Installs what is missing. @throws LabUnavailable with what to do */
export async function prepareHost(): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new LabUnavailable(
      `this is ${process.platform} on ${process.arch}, user-mode-linux is for Linux on x64: use such a host`,
    );
  }
  if (process.getuid?.() !== 0) throw new LabUnavailable('the NFS lab makes network namespaces and taps, so run it as root');
  await checkDebian();
  await checkTun();
  await install();
}

async function checkDebian(): Promise<void> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  if (/^ID(_LIKE)?=.*debian/m.test(release)) return;
  throw new LabUnavailable(
    'this is no Debian, and the NFS lab lives on its packages (user-mode-linux): use a host or container with Debian 12',
  );
}

async function checkTun(): Promise<void> {
  try {
    await access(TUN, constants.R_OK | constants.W_OK);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw new LabUnavailable(`${TUN} cannot be used: ${String(error)}`);
    await mkdir(path.dirname(TUN), {recursive: true});
    await command('mknod', [TUN, 'c', '10', '200']).catch((cause: unknown) => {
      throw new LabUnavailable(`there is no ${TUN} (${String(cause)}): load the module tun, or give the container that device`);
    });
  }
}

/** One script knows the packages, and keeps them from starting services here. */
function install(): Promise<void> {
  const script = path.join(REPO_ROOT, 'scripts', 'install-test-tools.sh');
  return new Promise((resolve, reject) => {
    execFile('sh', [script, 'nfs'], {timeout: INSTALL_MS, killSignal: 'SIGTERM'}, (error, stdout, stderr) => {
      const said = `${stdout}${stderr}`.trim();
      if (error) reject(new LabUnavailable(`packages of the NFS lab are missing: ${said || error.message}`));
      else resolve();
    });
  });
}

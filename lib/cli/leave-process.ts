// How a process ends although the store may hang.

/** How long calls that are still under way may take, ms. */
const PATIENCE_MS = 500;

/**
 * `process.exit()` waits for libuv's threads, and one that hangs in a dead mount never returns: then only a signal ends the
 * process, and its status is that of SIGKILL instead of `code`.
 */
export async function leaveProcess(code: number): Promise<never> {
  const limit = performance.now() + PATIENCE_MS;
  while (hangs() && performance.now() < limit) await new Promise((resolve) => setTimeout(resolve, 10));
  if (hangs()) {
    process.stderr.write('ha-agent: a call to the file system does not return: ending by SIGKILL\n');
    process.kill(process.pid, 'SIGKILL');
  }
  return process.exit(code);
}

const hangs = (): boolean => process.getActiveResourcesInfo().some((kind) => kind.startsWith('FSReq'));

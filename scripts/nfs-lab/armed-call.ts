// Runs inside a client of the lab: looks at everything its one call needs, says so, and makes the call when it is told to, so that
// nothing but that call goes over the network then. Usage: armed-call.js rename|link|mkdir|rmdir|unlink|create PATH [PATH]
import fs from 'node:fs/promises';
import path from 'node:path';
import type {CallOutcome} from './lost-reply.ts';

const [call = '', first = '', second = ''] = process.argv.slice(2);

const CALLS: Readonly<Record<string, () => Promise<unknown>>> = {
  rename: () => fs.rename(first, second),
  link: () => fs.link(first, second),
  mkdir: () => fs.mkdir(first),
  rmdir: () => fs.rmdir(first),
  unlink: () => fs.unlink(first),
  create: async () => (await fs.open(first, 'wx')).close(),
};

async function main(): Promise<void> {
  const make = CALLS[call];
  if (!make) throw new Error(`${call} is none of ${Object.keys(CALLS).join(', ')}`);
  for (const each of [first, second].filter((name) => name !== '')) await prepare(each);
  process.stdout.write('armed\n');
  await new Promise((resolve) => process.stdin.once('data', resolve));
  process.stdin.destroy();
  const begun = performance.now();
  const code = await make().then(
    () => undefined,
    (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)),
  );
  const outcome: CallOutcome = {code, tookMs: performance.now() - begun};
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}

/** A file made and removed has the client ask for its rights, and with 4.x for its place among the server's clients, beforehand. */
async function prepare(file: string): Promise<void> {
  const probe = path.join(path.dirname(file), `.armed-${process.pid}`);
  await fs.writeFile(probe, '');
  await fs.unlink(probe);
  const {R_OK, W_OK, X_OK} = fs.constants;
  await fs.access(path.dirname(file), W_OK | X_OK);
  // Also that it is not there is something the client then knows.
  await fs.access(file, R_OK | W_OK).catch(() => undefined);
}

await main();

// Whether this host and this user can hold floating addresses, found out without putting one up.
import {access, constants, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {interfaceNames, toolsFor, type FloatingAddress} from './address.ts';
import {runTool, TOOL_PATH} from './tool.ts';

export interface Need {
  /** What is missing, a clause. */
  readonly because: string;
  readonly remedy: string;
}

const TOOL_LIMIT_MS = 5_000;
/** The Debian package of each program. */
const PACKAGES: Readonly<Record<string, string>> = {ip: 'iproute2', arping: 'iputils-arping', ndptool: 'libndp-tools'};
const CAPABILITIES = [
  ['CAP_NET_ADMIN', 12],
  ['CAP_NET_RAW', 13],
] as const;

/** @returns none if they can be held; each with what would help. */
export async function unmetNeeds(addresses: readonly FloatingAddress[]): Promise<readonly Need[]> {
  if (addresses.length === 0) return [];
  const tools = await Promise.all(toolsFor(addresses).map(missingTool));
  return [await missingCapability(), ...tools, ...missingInterfaces(addresses)].filter((need) => need !== undefined);
}

/** What the commands that the guardian starts will have: root passes on what it has, everybody else only what is ambient. */
async function missingCapability(): Promise<Need | undefined> {
  const field = process.getuid?.() === 0 ? 'CapEff' : 'CapAmb';
  const status = await readFile('/proc/self/status', 'latin1');
  const bits = BigInt(`0x${new RegExp(`^${field}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1] ?? '0'}`);
  const missing = CAPABILITIES.filter(([, bit]) => ((bits >> BigInt(bit)) & 1n) === 0n).map(([name]) => name);
  if (missing.length === 0) return undefined;
  return {
    because: `this user may not change addresses of this host (${missing.join(', ')})`,
    remedy: 'run the agent as root, or give it CAP_NET_ADMIN and CAP_NET_RAW as ambient capabilities',
  };
}

async function missingTool(program: string): Promise<Need | undefined> {
  const remedy = `install it: Debian's package ${PACKAGES[program] ?? program}`;
  if (!(await isInPath(program))) return {because: `there is no program "${program}"`, remedy};
  if (program !== 'arping') return undefined;
  // Another program of this name takes other options; BusyBox knows no -V, and says who it is.
  const {stdout, because} = await runTool(['arping', '-V'], TOOL_LIMIT_MS);
  if (/iputils|busybox/i.test(`${stdout} ${because}`)) return undefined;
  return {because: 'the program "arping" is not the one of iputils', remedy: `${remedy} in its place`};
}

async function isInPath(program: string): Promise<boolean> {
  for (const directory of TOOL_PATH.split(':').filter((each) => each !== '')) {
    const found = await access(join(directory, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}

function missingInterfaces(addresses: readonly FloatingAddress[]): Need[] {
  const there = interfaceNames();
  const missing = new Set(addresses.map((each) => each.interface).filter((name) => !there.includes(name)));
  return [...missing].map((name) => ({
    because: `there is no interface ${name} (there are ${there.join(', ')})`,
    remedy: 'say the right one under vip',
  }));
}

// The lab's two networks in the keeper's own network namespace: one for storage, which can be cut, and one for management, which never is.
import {execFile} from 'node:child_process';
import {LabError, MANAGEMENT_NET, nodesOf, type LabPlan, type NodeName} from './plan.ts';

/** What no longer gets through on the storage network: anything, what the server sends to a node, or what a node sends to the server. */
export type Cut = 'both' | 'replies' | 'requests';

const COMMAND_MS = 20_000;

/** Bridges, and for each machine a tap in each of them. */
export async function buildNetworks(plan: LabPlan): Promise<void> {
  const lines = ['link set lo up'];
  for (const kind of ['st', 'mg']) {
    lines.push(`link add br-${kind} type bridge`, `link set br-${kind} up`);
    for (const node of nodesOf(plan)) {
      const tap = `${node}-${kind}`;
      lines.push(`tuntap add dev ${tap} mode tap`, `link set ${tap} master br-${kind}`, `link set ${tap} up`);
    }
  }
  lines.push(`address add ${MANAGEMENT_NET}.254/24 dev br-mg`);
  for (const line of lines) await command('ip', line.split(' '));
}

/** Makes exactly these cuts, in one step. */
export async function applyCuts(cuts: ReadonlyMap<NodeName, Cut>): Promise<void> {
  const rules = [...cuts].flatMap(([node, cut]) => rulesOf(node, cut));
  const table = ['add table bridge lab', 'delete table bridge lab', 'table bridge lab {', '  chain links {'];
  const chain = [
    '    type filter hook forward priority 0; policy accept;',
    ...rules.map((rule) => `    ${rule}`),
    '  }',
    '}',
    '',
  ];
  await command('nft', ['-f', '-'], [...table, ...chain].join('\n'));
}

/** One direction alone is cut for IP only: who has which address must not be forgotten meanwhile, or the other direction ends as well. */
function rulesOf(node: NodeName, cut: Cut): string[] {
  const tap = `"${node}-st"`;
  const [others, server] = node === 'server' ? ['', tap] : [` oifname ${tap}`, '"server-st"'];
  switch (cut) {
    case 'both':
      return [`iifname ${tap} drop`, `oifname ${tap} drop`];
    case 'replies':
      return [`ether type ip iifname ${server}${others} drop`];
    case 'requests':
      return [`ether type ip ${node === 'server' ? '' : `iifname ${tap} `}oifname ${server} drop`];
  }
}

/** Runs a program to its end. @throws LabError with what it wrote, unless it ends with 0 */
export function command(program: string, args: readonly string[], input?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, {timeout: COMMAND_MS, killSignal: 'SIGKILL'}, (error, stdout, stderr) => {
      if (error) reject(new LabError(`${program} ${args.join(' ')}: ${stderr.trim() || error.message}`, {cause: error}));
      else resolve(stdout);
    });
    child.stdin?.on('error', () => undefined); // Whatever it does not read; its status says whether that is bad.
    child.stdin?.end(input ?? '');
  });
}

// What is left of a node on its machine, by command line: a machine of the lab runs nothing else that looks like it.
import type {LabNode} from './lab-node.ts';

const PATTERNS = {
  service: String.raw`/witness\.mjs `,
  /** Agent, guardian, whatever either started, service. */
  anything: String.raw`/lib/(cli|guardian)/|/witness\.mjs `,
} as const;

/** @returns process ids, as the machine numbers them */
export async function leftOver({machine, plan}: LabNode, what: keyof typeof PATTERNS): Promise<readonly string[]> {
  const {stdout} = await plan.lab.run(machine, ['pgrep', '-f', PATTERNS[what]]);
  return stdout.split('\n').filter((pid) => pid !== '');
}

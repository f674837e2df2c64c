// What was expected of each scenario and what was observed: a table that the run prints, and that nfs-setup.md quotes.
import fs from 'node:fs/promises';
import path from 'node:path';
import Table from 'cli-table3';

/** One row. Sentences are short and in the present tense; durations carry their unit. */
export interface Finding {
  /** NFS version of the mount; `local` for what needs none. */
  readonly vers: string;
  /** What was done to the cluster. */
  readonly scenario: string;
  /** What the protocol says that follows. */
  readonly expected: string;
  /** What was seen, with its numbers. */
  readonly observed: string;
}

/** For those who quote it; lies beside the compiled tests. */
const PAGE = path.join(import.meta.dirname, '..', '..', '..', 'nfs-findings.md');
const findings: Finding[] = [];

/** Call it once per scenario, after what was expected has been asserted. */
export function noteFinding(finding: Finding): void {
  findings.push(finding);
}

after(async () => {
  if (findings.length === 0) return;
  const table = new Table({head: ['NFS', 'scenario', 'expected', 'observed'], colWidths: [7, 40, 44, 54], wordWrap: true});
  for (const {vers, scenario, expected, observed} of findings) table.push([vers, scenario, expected, observed]);
  process.stdout.write(`\n${table.toString()}\n`);
  const rows = findings.map(({vers, scenario, expected, observed}) => `| ${vers} | ${scenario} | ${expected} | ${observed} |`);
  await fs.writeFile(PAGE, ['| NFS | scenario | expected | observed |', '| --- | --- | --- | --- |', ...rows, ''].join('\n'));
});

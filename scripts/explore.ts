// `npm run explore`: visits every state of small configurations over the machines of lib/protocol, and prints how far it came.
// Options: `--states N` at most per configuration, `--units N` of time (T = 4 units), `--epochs N`.
import {parseArgs} from 'node:util';
import {CONFIGURATIONS} from '../test/sim/explore-configurations.ts';
import {explore, type Bounds} from '../test/sim/explore.ts';

function main(): void {
  const {values} = parseArgs({
    options: {
      states: {type: 'string', default: '600000'},
      units: {type: 'string', default: '6'},
      epochs: {type: 'string', default: '3'},
    },
  });
  for (const {title, nodes, left} of CONFIGURATIONS) {
    const begun = performance.now();
    const bounds: Bounds = {
      nodes,
      units: Number(values.units),
      epochs: Number(values.epochs),
      left,
      states: Number(values.states),
    };
    const {states, edges, complete, failure} = explore(bounds);
    const seconds = (performance.now() - begun) / 1_000;
    const reach = complete
      ? 'complete within its bounds'
      : failure
        ? 'FAILED'
        : `stopped at the limit of ${bounds.states} states`;
    process.stdout.write(
      `${title}: ${states} states, ${edges} edges in ${seconds.toFixed(0)} s, ${reach} (${bounds.units} units of time after the first master, T = 4; epochs <= ${bounds.epochs})\n`,
    );
    if (!failure) continue;
    process.stdout.write(`${failure.trace.join('\n')}\n${failure.message}\n`);
    process.exitCode = 1;
  }
}

main();

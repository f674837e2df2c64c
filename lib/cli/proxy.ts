// proxy: keeps a reverse proxy's configuration in step with the master. Here its command line; its run is in proxy-run.ts.
import {resolve} from 'node:path';
import {commandLineOptions, type CommandLineOption} from '../config/command-line.ts';
import {readCommand} from '../config/kinds.ts';
import {parseServiceUri} from '../config/service-uri.ts';
import {parseDuration} from '../config/units.ts';
import {HaError, type ConfigProblem} from '../errors.ts';
import {TEMPLATE_NAMES} from '../proxy/templates.ts';
import {clusterOptions, configOf, type Call, type Command} from './command.ts';
import type {Wanted} from './proxy-run.ts';

const text = (describe: string, defaultDescription?: string): CommandLineOption => ({
  type: 'string',
  describe,
  requiresArg: true,
  ...(defaultDescription !== undefined && {defaultDescription}),
});

const {json: _, ...cluster} = clusterOptions;

export const commands: readonly Command[] = [
  {
    usage: 'proxy',
    describe: "keeps a reverse proxy's configuration in step with the master",
    example: [
      '$0 proxy --persistenceDir /mnt/ha --template nginx --output /etc/nginx/conf.d/shop.conf --check "nginx -t" --reload "nginx -s reload"',
      'requests go to the master, wherever it is',
    ],
    options: {
      ...cluster,
      ...commandLineOptions(['tlsCa', 'logLevel', 'logFile', 'logFormat']),
      template: text(`${TEMPLATE_NAMES.join(', ')}, or a file in Mustache [NAME|FILE]`),
      output: text('what is written [FILE]'),
      check: text('exits with 0 if the proxy accepts what has been written [COMMAND]'),
      reload: text('makes the proxy read it [COMMAND]'),
      from: text('follow the nodes over HTTP instead of the store; they name each other [URL,URL]'),
      listen: text('where the proxy listens, for the templates that come with this program [ADDRESS]', '*:80'),
      hold: text('how long requests wait for the next master after one has gone [DURATION]', '10s'),
      holdAt: text('where they wait: the proxy passes them here, on loopback [HOST:PORT]', '127.0.0.1:8099'),
    },
    run: proxy,
  },
];

async function proxy(call: Call): Promise<void> {
  const wanted = readWanted(call);
  const config = await configOf(wanted.from ? withoutStore(call) : call);
  const {runProxy} = await import('./proxy-run.ts');
  return runProxy(config, wanted);
}

/** Only the mode without a store needs no directory. */
const withoutStore = (call: Call): Call => ({...call, argv: {...call.argv, highAvailability: 'disabled'}});

/** @throws HaError config.invalid with everything that is wrong. */
function readWanted({argv}: Call): Wanted {
  const problems: ConfigProblem[] = [];
  const given = (key: string): string | undefined => (typeof argv[key] === 'string' && argv[key] !== '' ? argv[key] : undefined);
  function read<T>(key: string, fallback: T, parse: (value: string) => T | undefined, expected: string): T {
    const found = given(key);
    if (found === undefined) return fallback;
    const value = parse(found);
    if (value === undefined) problems.push({key, where: `option --${key}`, found: JSON.stringify(found), expected});
    return value ?? fallback;
  }
  function need(key: string, expected: string): string {
    const value = given(key);
    if (value === undefined) problems.push({key, where: 'command line', found: undefined, expected});
    return value ?? '';
  }
  const words = (value: string): readonly string[] | undefined => {
    const command = readCommand(value);
    return command.ok ? command.value : undefined;
  };
  const wanted: Wanted = {
    template: need('template', `${TEMPLATE_NAMES.join(', ')} or a file`),
    output: resolve(need('output', 'the file to write')),
    check: read('check', undefined, words, 'a program with its arguments'),
    reload: read('reload', undefined, words, 'a program with its arguments'),
    from: read('from', undefined, urls, 'http or https URLs, separated by commas'),
    listen: read('listen', '*:80', listenAddress, 'an address and a port, such as *:80 or 10.0.0.1:8080'),
    holdMs: read('hold', 10_000, parseDuration, 'a duration with a unit, such as 10s'),
    holdAt: read('holdAt', {host: '127.0.0.1', port: 8_099}, hostAndPort, 'host:port, such as 127.0.0.1:8099'),
  };
  if (problems.length === 0) return wanted;
  const message = problems.length === 1 ? 'an option has a fault' : `${problems.length} options have faults`;
  throw new HaError('config.invalid', {problems}, {message, hint: '"ha-agent proxy --help" shows every option'});
}

function urls(value: string): readonly string[] | undefined {
  const all = value.split(',').map((each) => each.trim());
  return all.every((each) => URL.canParse(each) && /^https?:$/.test(new URL(each).protocol)) ? all : undefined;
}

/** It goes into the configuration as it is. */
const listenAddress = (value: string): string | undefined => (/^[A-Za-z0-9.:*[\]_/-]+$/.test(value) ? value : undefined);

function hostAndPort(value: string): Wanted['holdAt'] | undefined {
  const address = parseServiceUri(`tcp://${value}`);
  return address && {host: address.host, port: address.port};
}

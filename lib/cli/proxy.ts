// proxy: keeps a reverse proxy's configuration in step with the master. Here its command line; its run is in proxy-run.ts.
import {commandLineOptions} from '../config/command-line.ts';
import {PROXY_KEYS} from '../config/options.ts';
import {clusterOptions, configOf, type Call, type Command} from './command.ts';

const {json: _, ...cluster} = clusterOptions;

export const commands: readonly Command[] = [
  {
    usage: 'proxy',
    describe: "keeps a reverse proxy's configuration in step with the master",
    example: [
      '$0 proxy --persistenceDir /mnt/ha --template nginx --output /etc/nginx/conf.d/shop.conf --check "nginx -t" --reload "nginx -s reload"',
      'requests go to the master, wherever it is',
    ],
    options: {...cluster, ...commandLineOptions(['tlsCa', 'logLevel', 'logFile', 'logFormat', ...PROXY_KEYS])},
    run: proxy,
  },
];

async function proxy(call: Call): Promise<void> {
  const config = await configOf(call, 'proxy');
  const {
    'proxy.template': template = '',
    'proxy.output': output = '',
    'proxy.check': check,
    'proxy.reload': reload,
    'proxy.from': from,
    'proxy.listen': listen,
    'proxy.hold': holdMs,
    'proxy.holdAt': holdAt,
  } = config.values;
  const {runProxy} = await import('./proxy-run.ts');
  return runProxy(config, {template, output, check, reload, from, listen, holdMs, holdAt});
}

// The keys of "ha-agent proxy". Only that command takes them on its command line, where they have their short names.
import {command, duration, path, text, type Kind} from './kinds.ts';
import {option} from './option.ts';
import {parseServiceUri} from './service-uri.ts';

export interface ProxyValues {
  /** One of TEMPLATE_NAMES, or an absolute path. */
  readonly 'proxy.template': string | undefined;
  readonly 'proxy.output': string | undefined;
  readonly 'proxy.check': readonly string[] | undefined;
  readonly 'proxy.reload': readonly string[] | undefined;
  readonly 'proxy.from': readonly string[] | undefined;
  readonly 'proxy.listen': string;
  readonly 'proxy.hold': number;
  readonly 'proxy.holdAt': ListenAddress;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** The templates that come with the program. */
export const TEMPLATE_NAMES = ['nginx', 'haproxy'] as const;

const HOLD_MAX_MS = 3_600_000;

/** A name, or a file that is found as other paths are. */
const template: Kind<string> = {
  placeholder: 'NAME|FILE',
  read(raw) {
    const file = path('FILE').read(raw);
    const name = TEMPLATE_NAMES.find((each) => each === raw.value);
    return name === undefined ? file : {ok: true, value: name};
  },
  show: (value) => value,
};

const isUrl = (url: string): boolean => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);

/** A list, or one text with commas. */
const urls: Kind<readonly string[]> = {
  placeholder: 'URL,URL',
  read({value}) {
    const all: readonly unknown[] = Array.isArray(value) ? value : typeof value === 'string' ? value.split(',') : [];
    const found = all.flatMap((each) => (typeof each === 'string' ? [each.trim()] : []));
    if (found.length > 0 && found.length === all.length && found.every(isUrl)) return {ok: true, value: found};
    return {ok: false, faults: [{path: [], expected: 'http or https URLs, separated by commas'}]};
  },
  show: (value) => value.join(','),
};

const hostAndPort: Kind<ListenAddress> = {
  placeholder: 'HOST:PORT',
  read({value}) {
    const address = typeof value === 'string' ? parseServiceUri(`tcp://${value}`) : undefined;
    if (address) return {ok: true, value: {host: address.host, port: address.port}};
    return {ok: false, faults: [{path: [], expected: 'host:port, such as 127.0.0.1:8099'}]};
  },
  show: ({host, port}) => `${host.includes(':') ? `[${host}]` : host}:${port}`,
};

/** It goes into the configuration of the proxy as it is. */
const isListenAddress = (value: string): value is string => /^[A-Za-z0-9.:*[\]_/-]+$/.test(value);

export const proxyOptions = {
  'proxy.template': option<ProxyValues['proxy.template']>(
    template,
    undefined,
    `${TEMPLATE_NAMES.join(', ')}, or a file in Mustache`,
    {flagName: 'template', only: 'proxy', sample: 'nginx'},
  ),
  'proxy.output': option<ProxyValues['proxy.output']>(path('FILE'), undefined, 'what is written', {
    flagName: 'output',
    only: 'proxy',
    sample: '/etc/nginx/conf.d/shop.conf',
  }),
  'proxy.check': option<ProxyValues['proxy.check']>(
    command,
    undefined,
    'exits with 0 if the proxy accepts what has been written',
    {flagName: 'check', only: 'proxy', sample: 'nginx -t'},
  ),
  'proxy.reload': option<ProxyValues['proxy.reload']>(command, undefined, 'makes the proxy read it', {
    flagName: 'reload',
    only: 'proxy',
    sample: 'nginx -s reload',
  }),
  'proxy.from': option<ProxyValues['proxy.from']>(
    urls,
    undefined,
    'follow the nodes over HTTP instead of the store; they name each other',
    {flagName: 'from', only: 'proxy', sample: 'http://10.0.0.11:8081,http://10.0.0.12:8081'},
  ),
  'proxy.listen': option(
    text('ADDRESS', isListenAddress, 'an address and a port, such as *:80 or 10.0.0.1:8080'),
    '*:80',
    'where the proxy listens, for the templates that come with this program',
    {flagName: 'listen', only: 'proxy', sample: '"*:80"'},
  ),
  'proxy.hold': option(duration(0, HOLD_MAX_MS), 10_000, 'how long requests wait for the next master after one has gone', {
    flagName: 'hold',
    only: 'proxy',
  }),
  'proxy.holdAt': option<ListenAddress>(
    hostAndPort,
    {host: '127.0.0.1', port: 8_099},
    'where they wait: the proxy passes them here, on loopback',
    {flagName: 'holdAt', only: 'proxy'},
  ),
};

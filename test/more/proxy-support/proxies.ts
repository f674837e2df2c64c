// Debian's NGINX and HAProxy in front of a test cluster, each with a configuration that "ha-agent proxy" writes.
import {spawnSync} from 'node:child_process';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {eventually} from '../../support/eventually.ts';
import {ask, type Answer} from '../../e2e/support/ask.ts';
import {freePort, type Cluster} from '../../e2e/support/cluster.ts';
import {CLI} from '../../e2e/support/command.ts';
import {Daemon} from './daemon.ts';

export type ProxyKind = 'nginx' | 'haproxy';

/** Where Debian puts what only root's PATH holds. */
const PATH = `${process.env['PATH']}:/usr/sbin:/sbin`;

/** Why these programs cannot be used here; undefined if they can. */
export function whyWithout(...programs: readonly string[]): string | undefined {
  // Looked for and not run: what asks one program for its version makes a daemon of another.
  const isThere = (name: string): boolean =>
    spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name], {env: {PATH}, stdio: 'ignore'}).status === 0;
  const missing = programs.filter((name) => !isThere(name));
  return missing.length > 0 ? `it needs ${missing.join(', ')}` : undefined;
}

/** A worker with the configuration of before may still accept a few. */
const IN_A_ROW = 30;
const LIMIT_MS = 45_000;

export interface Proxy {
  readonly url: string;
  readonly daemon: Daemon;
  readonly follower: Daemon;
  readonly output: string;
  get(path?: string): Promise<Answer & {readonly retryAfter?: string}>;
  /** Waits until every request leads to this node. */
  untilServedBy(id: string): Promise<void>;
}

/** Starts the follower, and the proxy as soon as there is a configuration. @param source options that say what to follow */
export async function startProxy(
  cluster: Cluster,
  kind: ProxyKind,
  source: readonly string[],
  template: string = kind,
): Promise<Proxy> {
  const port = await freePort();
  const holdPort = await freePort([port]);
  const dir = join(cluster.root, kind);
  mkdirSync(dir);
  const output = join(dir, 'service.conf');
  const plan = kind === 'nginx' ? nginx(dir, output) : haproxy(dir, output);
  const follower = new Daemon(cluster, `${kind}-follower`, [
    ...[process.execPath, CLI, 'proxy', '--template', template, '--output', output, ...source],
    ...['--check', plan.check, '--reload', plan.reload, '--pollInterval', '200ms'],
    ...['--listen', `127.0.0.1:${port}`, '--holdAt', `127.0.0.1:${holdPort}`],
  ]);
  await eventually(
    () => {
      follower.assertRuns();
      return spawnSync('test', ['-e', output]).status === 0;
    },
    LIMIT_MS,
    `${output} is not written`,
  );
  const daemon = new Daemon(cluster, kind, plan.command);
  const url = `http://127.0.0.1:${port}/`;
  const get = (path = ''): Promise<Answer> => ask(`${url}${path}`);
  await eventually(
    () => {
      daemon.assertRuns();
      return get();
    },
    LIMIT_MS,
    `${kind} does not listen`,
  );
  return {
    url,
    daemon,
    follower,
    output,
    get,
    async untilServedBy(id) {
      let inARow = 0;
      await eventually(
        async () => {
          const {status, text} = await get();
          inARow = status === 200 && (JSON.parse(text) as {node: string}).node === id ? inARow + 1 : 0;
          return inARow >= IN_A_ROW;
        },
        LIMIT_MS,
        `${url} does not lead to ${id}`,
      );
    },
  };
}

interface Plan {
  readonly command: readonly string[];
  readonly check: string;
  readonly reload: string;
}

function nginx(dir: string, output: string): Plan {
  const main = join(dir, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir}/${name};`);
  writeFileSync(
    main,
    `${process.getuid?.() === 0 ? 'user root;' : ''} worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/error.log notice;
     events {} http { access_log off; ${temporary.join(' ')} include ${output}; }`,
  );
  const command = ['nginx', '-c', main, '-e', join(dir, 'error.log')];
  return {
    command: [...command, '-g', 'daemon off;'],
    check: [...command, '-t'].join(' '),
    reload: [...command, '-s', 'reload'].join(' '),
  };
}

function haproxy(dir: string, output: string): Plan {
  const main = join(dir, 'haproxy.cfg');
  const pid = join(dir, 'haproxy.pid');
  writeFileSync(main, 'global\n  maxconn 500\n');
  const files = ['-f', main, '-f', output];
  return {
    command: ['haproxy', '-W', '-db', '-p', pid, ...files],
    check: ['haproxy', '-c', '-q', ...files].join(' '),
    reload: `sh -c 'kill -USR2 $(cat ${pid})'`,
  };
}

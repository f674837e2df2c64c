// End to end: examples/http-service by the very lines of its page, examples/client as a program of another project, and that no example is left out.
import {execFile} from 'node:child_process';
import {copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {expect} from 'chai';
import {skipAloud} from '../store/temp-store.ts';
import {eventually} from '../support/eventually.ts';
import {buildRoot, repoRoot} from '../support/paths.ts';
import {Daemon} from './proxy-support/daemon.ts';
import {whyWithout} from './proxy-support/proxies.ts';
import {together} from '../e2e/store-support/together.ts';
import {freePort, withCluster, type Cluster} from '../e2e/support/cluster.ts';
import {CLI} from '../e2e/support/command.ts';
import type {ServiceOf} from '../e2e/support/witness.ts';

const LIMIT_MS = 45_000;
const EXAMPLES = join(repoRoot, 'examples');
const execute = promisify(execFile);

describe('the examples', () => {
  before(function () {
    const why = whyWithout('curl');
    if (why !== undefined) skipAloud(this, why);
  });

  it('are all run by a test', () => {
    const tests = readdirSync(join(repoRoot, 'test'), {recursive: true, encoding: 'utf8'}).filter((file) => file.endsWith('.ts'));
    const texts = tests.map((file) => readFileSync(join(repoRoot, 'test', file), 'utf8'));
    const folders = readdirSync(EXAMPLES, {withFileTypes: true}).filter((entry) => entry.isDirectory());
    const mentioned = ({name}: {readonly name: string}): boolean =>
      texts.some((text) => text.includes(`'${name}/`) || text.includes(`examples/${name}`));
    expect(folders.filter((folder) => !mentioned(folder)).map(({name}) => name)).to.deep.equal([]);
  });

  together({
    'http-service: each line of its page does what the page says, and the second node takes over': async () => {
      await withCluster({nodes: []}, async (cluster) => {
        const page = await PageLines.of(cluster, 'http-service');
        await page.run('mkdir store');
        await page.run('npx ha-agent init');
        page.start('n1', 'npx ha-agent launch --config ha-agent.yaml');
        const first = await page.until('curl', /"node":"n1",.*"epoch":1,/);
        expect(first).to.contain('"app":"hello"');
        await page.until('npx ha-agent status', /^n1 +MASTER +1 /m);

        await page.run('sed');
        page.start('n2', 'npx ha-agent launch --config n2.yaml');
        await page.until('npx ha-agent status', /^n2 +STANDBY +1 +0 +yes /m);
        await page.sh('kill -9 $(cat n1.pid)');
        await page.until('npx ha-agent status', /^n2 +MASTER +3 /m);
        expect(await page.sh(page.line('curl').replace('8090', '8091'))).to.match(/"node":"n2",.*"epoch":3,/);
        expect(page.unused(), 'lines that this test does not run').to.deep.equal([]);
      });
    },

    'client: a program that has the package is served through a kill of the master, and ends when it is told to': async () => {
      await withCluster({nodes: ['n1', 'n2'], service: exampleService, timings: {leaseTimeout: '60s'}}, async (cluster) => {
        const {master, other} = await cluster.upAsPair();
        const script = installClient(cluster);
        const client = new Daemon(cluster, 'client', [process.execPath, script, other.url(), master.url()]);
        const says = (pattern: RegExp): Promise<unknown> =>
          eventually(
            () => pattern.test(client.log()),
            LIMIT_MS,
            `the client does not say ${String(pattern)}, but ${client.log()}`,
          );
        await says(new RegExp(`^-- ${master.id} is master under epoch 1\n${master.id} answers under epoch 1: 1 so far\n`));
        await master.kill('agent');
        await says(new RegExp(`-- ${other.id} is master under epoch 3\n(.*\n)*${other.id} answers under epoch 3: \\d+ so far\n`));
        expect(client.log(), 'no request may have failed').to.not.contain('what to do');
        const ended = new Promise((resolve) => client.child.once('exit', resolve));
        client.child.kill('SIGINT');
        expect(await ended).to.equal(0);
      });
    },
  });
});

/** The service of the example under a node of the tests, which publishes where it is. */
const exampleService: ServiceOf = ({port}) => ({
  command: [process.execPath, join(EXAMPLES, 'http-service/server.mjs'), '--port', String(port)],
  config: {
    service: {uri: `http://127.0.0.1:${port}`},
    health: [{http: `http://127.0.0.1:${port}/health`, period: '200ms', timeout: '2s', failures: 5}],
  },
});

/** A project that depends on the package, as it is built. @returns its program. */
function installClient({root}: Cluster): string {
  const project = join(root, 'project');
  const installed = join(project, 'node_modules/ha-agent');
  mkdirSync(installed, {recursive: true});
  copyFileSync(join(repoRoot, 'package.json'), join(installed, 'package.json'));
  symlinkSync(buildRoot, join(installed, 'dist'));
  copyFileSync(join(EXAMPLES, 'client/client.mjs'), join(project, 'client.mjs'));
  return join(project, 'client.mjs');
}

/** The lines that a page tells its reader to type, run in a copy of the folder with ports that are free. */
class PageLines {
  private readonly cluster: Cluster;
  private readonly folder: string;
  private readonly lines: readonly string[];
  private readonly ports: Readonly<Record<string, number>>;
  private readonly used = new Set<string>();

  private constructor(cluster: Cluster, folder: string, lines: readonly string[], ports: Readonly<Record<string, number>>) {
    this.cluster = cluster;
    this.folder = folder;
    this.lines = lines;
    this.ports = ports;
  }

  static async of(cluster: Cluster, example: string): Promise<PageLines> {
    const folder = join(cluster.root, example);
    cpSync(join(EXAMPLES, example), folder, {recursive: true});
    const lines = readFileSync(join(folder, 'README.md'), 'utf8')
      .split('\n')
      .flatMap((line) => /^ {4}(\S.*)$/.exec(line)?.[1] ?? []);
    const first = await freePort();
    const page = new PageLines(cluster, folder, lines, {8090: first, 8091: await freePort([first])});
    const config = join(folder, 'ha-agent.yaml');
    writeFileSync(config, page.inPlace(readFileSync(config, 'utf8')));
    return page;
  }

  /** The one that begins so. */
  line(start: string): string {
    const found = this.lines.filter((line) => line.startsWith(start));
    if (found.length !== 1) throw new Error(`the page has ${found.length} lines that begin with ${start}`);
    const [line = ''] = found;
    this.used.add(line);
    return line;
  }

  unused(): readonly string[] {
    return this.lines.filter((line) => !this.used.has(line));
  }

  async run(start: string): Promise<string> {
    return this.sh(this.line(start));
  }

  /** Again and again until it prints this. */
  async until(start: string, pattern: RegExp): Promise<string> {
    let printed = '';
    return eventually(
      async () => {
        printed = await this.run(start).catch((error: unknown) => String(error));
        return pattern.test(printed) && printed;
      },
      LIMIT_MS,
      `${start} does not print ${String(pattern)}`,
    ).catch((error: unknown) => {
      throw new Error(`${start} prints ${printed}`, {cause: error});
    });
  }

  /** In the background, as in a terminal of its own. */
  start(name: string, start: string): void {
    new Daemon(this.cluster, name, ['sh', '-c', `cd ${this.folder} && exec ${this.inPlace(this.line(start))} --port 0`]);
  }

  async sh(line: string): Promise<string> {
    const env = this.cluster.environment();
    return (await execute('sh', ['-c', this.inPlace(line)], {cwd: this.folder, env, timeout: LIMIT_MS})).stdout;
  }

  /** With the command of this build, and the ports of this test. */
  private inPlace(line: string): string {
    const own = line.replace(/^npx ha-agent/, `${process.execPath} ${CLI}`);
    return Object.entries(this.ports).reduce((text, [port, free]) => text.replaceAll(port, String(free)), own);
  }
}

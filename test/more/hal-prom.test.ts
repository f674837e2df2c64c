// End to end: nodes with a config.json of HAL or PROM, in the scenarios of those daemons; each title has its number.
import {existsSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {EpochRecord} from '../../lib/store/contract.ts';
import {eventually} from '../support/eventually.ts';
import {Daemon} from './proxy-support/daemon.ts';
import {locksIn} from '../e2e/store-support/places.ts';
import {together} from '../e2e/store-support/together.ts';
import {ask} from '../e2e/support/ask.ts';
import {withCluster, type Cluster, type ClusterOptions} from '../e2e/support/cluster.ts';
import {CLI} from '../e2e/support/command.ts';
import type {TestNode} from '../e2e/support/node.ts';
import {processesOf} from '../e2e/support/processes.ts';
import {WITNESS, type ServiceOf} from '../e2e/support/witness.ts';

const LIMIT_MS = 60_000;
/** Written as a person would, with what those daemons forgive. It leaves 8 s without the store: nobody waits for this silence. */
const TIMEOUT_MS = 20_000;
/** What a file of HAL does not say: shorter than usual, or the tests take long. */
const OFTEN = ['--pollInterval', '300ms'];

type Keys = Readonly<Record<string, unknown>>;

/** A file in HAL's spelling for this node, whose commands start and stop a witness. */
const hal =
  (more: (id: string) => Keys = () => ({})): ServiceOf =>
  (place) => ({
    config: {
      appName: 'default',
      [`ensure-active-${place.nodeId}`]: witnessed('active', place),
      [`ensure-passive-${place.nodeId}`]: witnessed('passive', place),
      'hal-timeout': String(TIMEOUT_MS),
      noOfRetryAttempts: '3',
      'core-monitor-sleep-time': '300',
      musicLocation: 'localhost',
      ...more(place.nodeId),
    },
  });

const witnessed = (verb: string, {nodeId, logFile, port}: Parameters<ServiceOf>[0]): string =>
  `${process.execPath} ${WITNESS} ${verb} --log=${logFile} --node=${nodeId} --port=${port}`;

const pair = (more?: (id: string) => Keys, options: Partial<ClusterOptions> = {}): ClusterOptions => ({
  nodes: ['0', '1'],
  service: hal(more),
  timings: 'config',
  ...options,
  args: [...OFTEN, ...(options.args ?? [])],
});

describe('nodes with a config.json of HAL or PROM', function () {
  this.timeout(300_000);
  together({
    'P5, W2, W3: a service that begins to fail: so many attempts, then the passive form, then the release, then the other one':
      async () => {
        await withCluster(
          pair(() => ({'restart-backoff-time': 200})),
          async (cluster) => {
            const {master, other} = await cluster.upAsPair();
            const before = calls(cluster, master.id).length;
            order(cluster, master.id, 'active', 3);
            await cluster.untilMaster(other.id);
            const since = calls(cluster, master.id).slice(before);
            const failing = since.slice(0, since.indexOf('passive passive 1')).filter((line) => line === 'active active 1');
            // The first ones may have come before the order.
            expect(failing.length, since.join(', ')).to.be.within(3, 5);
            await untilHandedOver(cluster, 'failed 3 times in a row: exit status 3');
          },
        );
      },

    'P8: an agent that is restarted within agentLossGrace keeps its service and the lease': async () => {
      await withCluster(
        pair(() => ({'hal-timeout': 60_000}), {args: ['--agentLossGrace', '40s']}),
        async (cluster) => {
          const {master} = await cluster.upAsPair();
          const before = await master.served();
          await master.kill('agent');
          await master.launch();
          await cluster.untilMaster(master.id);
          expect(await master.served()).to.deep.equal(before);
          await cluster.untilTold((records) => expect(records).to.have.length(1));
        },
      );
    },

    'P10, W1: a start that takes three timeouts leaves the node owner all the while, and nobody else starts': async () => {
      const timeout = {'hal-timeout': '5000'};
      const args = ['--stopTimeout', '2s', '--safetyMargin', '500ms'];
      await withCluster(
        pair((id) => (id === '0' ? {...timeout, 'ensure-active-0': './slow.sh'} : timeout), {args}),
        async (cluster) => {
          const slow = cluster.node('0');
          const text = `#!/bin/sh\n[ -e started ] || { sleep 15; : > started; }\nexec ${witnessed('active', slow.plan.place)}\n`;
          writeFileSync(join(slow.stateDir, 'slow.sh'), text, {mode: 0o755});
          await cluster.init();
          await cluster.launch('0');
          await eventually(async () => (await slow.state()).masterId === '0', LIMIT_MS, '0 does not claim');
          await cluster.launch('1');
          await cluster.untilMaster('0');
          const told = await cluster.untilTold(([only]) => expect(only?.phasesMs.ready).to.be.at.least(15_000));
          expect(told).to.have.length(1);
          expect(cluster.witnessed().runs.map(({node}) => node)).to.deep.equal(['0']);
        },
      );
    },

    'P12, W5: a standby whose passive form has never succeeded is not elected; it is when the form succeeds': async () => {
      await withCluster(pair(), async (cluster) => {
        order(cluster, '1', 'passive', 1);
        await cluster.init();
        for (const {id} of cluster.nodes) await cluster.launch(id);
        const master = await cluster.untilMaster('0');
        const n1 = cluster.node('1');
        await eventually(async () => (await n1.state()).because.includes('not eligible'), LIMIT_MS, '1 does not say so');
        await master.kill('agent');
        await eventually(async () => (await n1.state()).masterId === null, LIMIT_MS, 'the lease is not released');
        expect((await n1.state()).because).to.contain('not eligible: the passive command: exit status 1');
        order(cluster, '1', 'passive', 0);
        await cluster.untilMaster('1');
      });
    },

    'P13, W8: a service that fails everywhere is tried so often on each node, and then the nodes cool down and say so':
      async () => {
        await withCluster(pair(), async (cluster) => {
          for (const {id} of cluster.nodes) order(cluster, id, 'active', 1);
          await cluster.init();
          for (const {id} of cluster.nodes) await cluster.launch(id);
          for (const node of cluster.nodes)
            await eventually(async () => (await node.state()).because.includes('cooling down'), LIMIT_MS, `${node.id} goes on`);
          const tried = cluster.nodes.map(({id}) => calls(cluster, id).filter((line) => line.startsWith('active')).length);
          expect(tried).to.deep.equal([3, 3]);
          for (const node of cluster.nodes) expect((await node.state()).eligible).to.equal(false);
        });
      },

    'P15: without the store every service is stopped; when it is back exactly one runs': async () => {
      await withCluster(
        pair(() => ({'hal-timeout': 3_000})),
        async (cluster) => {
          await cluster.up();
          const aside = `${cluster.persistenceDir}.aside`;
          renameSync(cluster.persistenceDir, aside);
          await eventually(() => services(cluster) === 0, LIMIT_MS, 'a service runs on');
          renameSync(aside, cluster.persistenceDir);
          const master = await cluster.untilMaster();
          for (const node of cluster.others(master)) await node.untilState('STANDBY');
          // A machine that stands still may cost it another start; of two at once the witnesses tell.
          await eventually(() => services(cluster) === 1, LIMIT_MS, 'not one service runs');
        },
      );
    },

    'P17: a node with -p waits for a first active one, and then takes part as any other': async () => {
      await withCluster(
        pair((id) => (id === '0' ? {} : {'start-active-1': 'true'})),
        async (cluster) => {
          await cluster.init();
          const passive = cluster.node('0');
          await passive.launch('-p');
          await eventually(
            async () => (await passive.state()).because.includes('waiting for a first master'),
            LIMIT_MS,
            '0 does not wait',
          );
          await cluster.launch('1');
          const active = await cluster.untilMaster('1');
          await passive.untilState('STANDBY');
          await active.kill('agent');
          await cluster.untilMaster('0');
        },
      );
    },

    'P18, W11: of two silent peers each has at most one restart command, which is killed after its time and run again':
      async () => {
        const restarts = {
          'hal-timeout': 4_000,
          'restart-hal-1': './restart.sh 1',
          'restart-hal-2': './restart.sh 2',
          replicaIdList: ['0', 1, '2'],
        };
        const args = ['--restartTimeout', '700ms', '--restartBackoff', '100ms'];
        await withCluster({...pair(() => restarts, {args}), nodes: ['0']}, async (cluster) => {
          const [node] = cluster.nodes;
          const log = join(cluster.root, 'restarts');
          // Each run looks whether the one before it still lives.
          const text = `#!/bin/sh
last=$(cat "${log}.$1" 2> /dev/null)
[ -n "$last" ] && kill -0 "$last" 2> /dev/null && echo "OVERLAP of $1" >> ${log}
echo $$ > "${log}.$1"
echo "$1 $HA_PEER_ID $HA_MASTER_ID" >> ${log}
exec sleep 333
`;
          writeFileSync(join(node!.stateDir, 'restart.sh'), text, {mode: 0o755});
          await cluster.up();
          const runs = (): readonly string[] => readFileSync(log, 'utf8').trim().split('\n');
          const often = (peer: string): boolean => runs().filter((line) => line === `${peer} ${peer} 0`).length >= 3;
          await eventually(() => often('1') && often('2'), LIMIT_MS, 'they are not run again and again');
          expect(runs().join()).to.not.contain('OVERLAP');
          expect(node!.log()).to.contain('still running after 700 ms, killed');
        });
      },

    'P19, P20, P23, P24, W14, W16: a twin is refused, changes are taken over live, the active node is chosen, and faults end with 3':
      async () => {
        await withCluster(pair(), async (cluster) => {
          const {master, other} = await cluster.upAsPair();
          const store = ['--persistenceDir', cluster.persistenceDir];
          const place = ['-c', join(master.stateDir, 'config.json'), '--id', master.id, ...store];
          const own = ['--stateDir', master.stateDir, '--pidFile', join(cluster.root, 'twin.txt')];
          const twin = await cluster.cli('launch', ...place, ...own);
          expect(twin.code, twin.stderr).to.equal(3);

          const before = readFileSync(join(other.stateDir, 'config.json'), 'utf8');
          const marker = join(cluster.root, 'live');
          writeFileSync(
            join(other.stateDir, 'ensure.sh'),
            `#!/bin/sh\n: > ${marker}.$HA_ROLE\nexec ${witnessed('"$@"', other.plan.place)}\n`,
            {mode: 0o755},
          );
          const config = JSON.parse(before) as Keys;
          rewrite(other, {
            ...config,
            [`ensure-active-${other.id}`]: './ensure.sh active',
            [`ensure-passive-${other.id}`]: './ensure.sh passive',
          });
          await eventually(() => existsSync(`${marker}.passive`), LIMIT_MS, 'the new command is not run');
          writeFileSync(join(other.stateDir, 'config.json'), before.slice(0, 200));
          await eventually(() => other.log().includes('the last good one stays'), LIMIT_MS, 'the truncated file is not refused');

          const unknown = await cluster.cli('switchover', '--to', '7', '--persistenceDir', cluster.persistenceDir);
          expect(unknown.code).to.not.equal(0);
          const chosen = await cluster.cli('switchover', '--to', other.id, '--persistenceDir', cluster.persistenceDir);
          expect(chosen).to.have.property('code', 0);
          await cluster.untilMaster(other.id);
          expect(readFileSync(`${marker}.active`, 'utf8')).to.equal('');

          const bad = join(cluster.root, 'bad.json');
          writeFileSync(bad, '{"appName":"a" "hal-timeout":"soon" "noOfRetryAttempts":"0"}');
          const refused = await cluster.cli('launch', '-c', bad, '--id', '0', '--persistenceDir', cluster.persistenceDir);
          expect(refused.code).to.equal(3);
          for (const key of ['hal-timeout', 'noOfRetryAttempts', 'ensure-active-0', 'ensure-passive-0'])
            expect(refused.stderr).to.contain(`  ${key} (`);
        });
      },
    'W4: a failing active node whose attempts take longer than the timeout is not overtaken: the other waits for the release':
      async () => {
        const times = {'hal-timeout': 15_000, noOfRetryAttempts: 2, 'restart-backoff-time': 4_000};
        const script = (id: string): Keys => ({...times, [`ensure-active-${id}`]: './slowly.sh'});
        await withCluster(pair(script), async (cluster) => {
          for (const node of cluster.nodes) {
            const text = `#!/bin/sh\n[ -e slow ] && { sleep 6; exit 1; }\nexec ${witnessed('active', node.plan.place)}\n`;
            writeFileSync(join(node.stateDir, 'slowly.sh'), text, {mode: 0o755});
          }
          const {master, other} = await cluster.upAsPair();
          writeFileSync(join(master.stateDir, 'slow'), '');
          await cluster.untilMaster(other.id);
          await untilHandedOver(cluster, 'failed 2 times in a row: exit status 1');
        });
      },

    'W6: an active node whose script had to start the service again and again makes room for the other one': async () => {
      await withCluster(pair(), async (cluster) => {
        const {master, other} = await cluster.upAsPair();
        order(cluster, master.id, 'active', 2);
        await cluster.untilMaster(other.id);
        const [, second] = await untilHandedOver(cluster, 'had to start the service again 3 times');
        expect(calls(cluster, master.id)).to.include('passive passive 1');
        expect((await master.state()).because).to.contain('cooling down');
        expect((await other.served()).epoch).to.equal(String(second?.epoch));
      });
    },

    'W7: a standby whose passive script always had something to stop stands by like any other, and leaves nothing behind':
      async () => {
        await withCluster(pair(), async (cluster) => {
          order(cluster, '1', 'passive', 2);
          await cluster.init();
          await cluster.launch('0');
          const master = await cluster.untilMaster('0');
          await cluster.launch('1');
          const standby = cluster.node('1');
          await eventually(async () => (await standby.state()).eligible, LIMIT_MS, '1 is not eligible');
          const before = calls(cluster, '1').length;
          await eventually(() => calls(cluster, '1').length >= before + 6, LIMIT_MS, 'the passive script is not run again');
          expect(await standby.state()).to.include({state: 'STANDBY', eligible: true});
          expect(locksIn(cluster)).to.have.length(1);
          await master.terminate();
          await cluster.untilMaster('1');
        });
      },

    "HAL 1's command line, an id and a directory, starts a node; a twin of it is refused with 3, other words with 1":
      async () => {
        await withCluster(pair(), async (cluster) => {
          await cluster.init();
          const [node] = cluster.nodes as [TestNode];
          const {place, service} = node.plan;
          rewrite(node, service.config ?? {});
          const store = ['--persistenceDir', cluster.persistenceDir];
          const own = [...store, '--stateDir', node.stateDir, '--pidFile', node.pidFile];
          const hal1 = new Daemon(cluster, 'hal1', [process.execPath, CLI, 'launch', '0', node.stateDir, ...own, '--port', '0']);
          await eventually(
            async () => {
              hal1.assertRuns();
              return (await cluster.cli('state', '--id', '0', ...own)).stdout === 'MASTER\n';
            },
            LIMIT_MS,
            'it does not become MASTER',
          );
          expect(JSON.parse((await ask(`http://127.0.0.1:${place.port}/`)).text)).to.include({node: '0', epoch: '1'});
          expect((await cluster.cli('launch', '0', node.stateDir, ...own)).code, 'a twin').to.equal(3);
          for (const words of [['sleep', '60'], ['0'], ['0', node.stateDir, '--id', '1'], ['0', node.stateDir, 'more']]) {
            const {code, stderr} = await cluster.cli('launch', ...words, ...store);
            expect({words, code}).to.deep.equal({words, code: 1});
            expect(stderr).to.match(/\nha-agent: .*(the command of a service follows "--"|Unknown argument: more)\n$/);
          }
        });
      },
  });
});

/** The first owner gave the lease away because of this, and the next one did not have to wait. */
const untilHandedOver = (cluster: Cluster, because: string): Promise<readonly EpochRecord[]> =>
  cluster.untilTold(([first, second]) => {
    expect(first?.ended?.because).to.contain(because);
    expect(second?.why).to.equal('free');
  });

/** The witnesses that serve; the commands that look after them mention the same. */
const services = (cluster: Cluster): number =>
  processesOf(`--log=${cluster.logFile}`).filter(({words}) => words[1] === WITNESS && words[2]?.startsWith('--log=') === true)
    .length;

const calls = (cluster: Cluster, id: string): readonly string[] =>
  readFileSync(`${cluster.logFile}.${id}.calls`, 'utf8').trim().split('\n');

/** The command of this node shall end with this status from now on, without doing its work; 0: as it should. */
function order(cluster: Cluster, id: string, role: 'active' | 'passive', status: number): void {
  const file = `${cluster.logFile}.${id}.${role}`;
  if (status === 0) rmSync(file);
  else writeFileSync(file, String(status));
}

const rewrite = (node: TestNode, config: Keys): void => writeFileSync(join(node.stateDir, 'config.json'), JSON.stringify(config));

// End to end: the epoch as a fencing token, with examples/postgres-fencing and a real PostgreSQL that refuses a master which comes too late.
import {execFile} from 'node:child_process';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {expect} from 'chai';
import pg from 'pg';
import {isStopped} from '../../lib/agent/process-look.ts';
import {signal} from '../../lib/guardian/proc.ts';
import {skipAloud} from '../store/temp-store.ts';
import {eventually} from '../support/eventually.ts';
import {EXAMPLE, Postgres, whyNoPostgres} from './postgres-support/postgres.ts';
import {withCluster} from '../e2e/support/cluster.ts';
import type {TestNode} from '../e2e/support/node.ts';
import {processesOf, untilGone, type FoundProcess} from '../e2e/support/processes.ts';
import type {ServiceOf} from '../e2e/support/witness.ts';

const LIMIT_MS = 45_000;
const SERVER = join(EXAMPLE, 'server.mjs');
const execute = promisify(execFile);

/** The example as the service of a node. */
const shopAt =
  (database: string): ServiceOf =>
  ({port}) => ({
    command: [process.execPath, SERVER, '--port', String(port), '--database', database],
    config: {health: [{http: `http://127.0.0.1:${port}/health`, period: '200ms', timeout: '2s', failures: 5}]},
  });

interface Reply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** @returns undefined where the connection broke. */
async function order({plan}: TestNode, item: string): Promise<Reply | undefined> {
  const init = {method: 'POST', body: JSON.stringify({item, quantity: 1}), signal: AbortSignal.timeout(2 * LIMIT_MS)};
  try {
    const response = await fetch(`http://127.0.0.1:${plan.place.port}/orders`, init);
    return {status: response.status, body: (await response.json()) as Reply['body']};
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Its service with everything that holds it; the agent was told the same words. */
const serviceOf = ({plan, agentPid}: TestNode): readonly FoundProcess[] =>
  processesOf(SERVER).filter(({pid, words}) => pid !== agentPid && words.includes(String(plan.place.port)));

/** SQLSTATE and message of what a promise fails with. */
async function failure(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => 'it did not fail',
    (reason: unknown) => reason,
  );
  return error instanceof pg.DatabaseError ? `${error.code} ${error.message}` : String(error);
}

describe('PostgreSQL and the epoch', () => {
  let postgres: Postgres;
  let database: string;
  let admin: pg.Client;

  before(async function () {
    const why = whyNoPostgres();
    if (why !== undefined) skipAloud(this, why);
    postgres = await Postgres.start();
  });
  beforeEach(async () => {
    database = await postgres.createShop();
    admin = await postgres.session({database});
  });
  afterEach(() => postgres.endSessions());
  // Where it was skipped there is none.
  after(() => (postgres as Postgres | undefined)?.end());

  const service = (epoch?: number): Promise<pg.Client> =>
    postgres.session({database, user: 'shop_service', ...(epoch !== undefined && {epoch})});
  const claim = (session: pg.Client, epoch: number): Promise<unknown> =>
    session.query('SELECT fencing.claim($1, $2, $3)', ['shop', epoch, `n${epoch}`]);
  const insert = (session: pg.Client, item = 'apple'): Promise<unknown> =>
    session.query('INSERT INTO shop.orders (item, quantity) VALUES ($1, 1)', [item]);
  const numbersOf = async (sql: string): Promise<readonly number[]> => {
    const {rows} = await admin.query<[string | number]>({text: sql, rowMode: 'array'});
    return rows.map(([value]) => Number(value));
  };
  const epochsOfOrders = (): Promise<readonly number[]> => numbersOf('SELECT epoch FROM shop.orders ORDER BY id');
  const lateOrders = (): Promise<readonly number[]> => numbersOf('SELECT id FROM shop.late_orders');
  const untilWaiting = (who: string): Promise<unknown> =>
    eventually(
      async () => {
        const sql = `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '${who}'`;
        return (await numbersOf(sql))[0] === 1;
      },
      LIMIT_MS,
      `${who} does not wait for a lock`,
    );

  it('a master that is frozen past its lease, with its guardian, writes nothing any more when it comes to: what it sends is refused', async () => {
    await withCluster({nodes: ['n1', 'n2'], service: shopAt(postgres.url('shop_service', database))}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      expect(await order(master, 'apple')).to.deep.include({status: 201});

      // One order has begun, and holds its locks, when everything of this node is frozen.
      const holder = await postgres.session({database});
      await holder.query(`BEGIN; SELECT 1 FROM shop.stock WHERE item = 'banana' FOR UPDATE`);
      const begun = order(master, 'banana');
      await untilWaiting('UPDATE shop.stock');
      const frozen = serviceOf(master);
      expect(frozen).to.not.have.length(0);
      for (const each of frozen) signal(each, 'SIGSTOP');
      master.freeze('agent', 'guardian');
      await holder.query('COMMIT');
      // These wait in its sockets.
      const late = [1, 2, 3].map(() => order(master, 'apple'));

      await cluster.untilMaster(other.id);
      for (let count = 1; count <= 5; count += 1) expect((await order(other, 'apple'))?.status).to.equal(201);

      // The service alone: whatever is refused now, no guardian had a part in it.
      for (const each of frozen) signal(each, 'SIGCONT');
      for (const reply of await Promise.all(late)) {
        expect(reply?.status).to.equal(503);
        expect(reply?.body['error']).to.match(new RegExp(`^epoch 1 of shop is over: epoch 2 was claimed by ${other.id} at `));
      }
      // The server has ended its transaction: the order is not there, and whoever sent it was not told that it is.
      expect([500, 503, undefined]).to.include((await begun)?.status);
      for (const each of frozen.filter(({words}) => words[1] === SERVER)) await untilGone(each, 'the fenced service');
      expect([await isStopped(master.guardianPid), await isStopped(master.agentPid)]).to.deep.equal([true, true]);

      expect(await epochsOfOrders()).to.deep.equal([1, 2, 2, 2, 2, 2]);
      expect(await lateOrders()).to.deep.equal([]);
      expect(await numbersOf('SELECT quantity FROM shop.stock ORDER BY item')).to.deep.equal([999_994, 1_000_000]);

      master.thaw('agent', 'guardian');
      await master.untilState('STANDBY');
      expect(await cluster.master()).to.equal(other);
    });
  });

  it('without an epoch, under one that nobody claimed, or under one that is over, nothing is written; a claim never goes back', async () => {
    const [none, first, second, third] = [await service(), await service(1), await service(2), await service(3)];
    expect(await failure(insert(first))).to.equal('OE003 epoch 1 of shop has not been claimed');
    await claim(first, 1);
    await insert(first);
    expect(await failure(insert(none))).to.equal('OE002 this session has no epoch, and shop belongs to the master alone');
    expect(await failure(insert(second))).to.equal('OE003 epoch 2 of shop has not been claimed');
    await claim(second, 2);
    await claim(second, 2);
    await insert(second);
    for (const late of [
      'INSERT INTO shop.orders (item, quantity) VALUES (1, 1)',
      'UPDATE shop.stock SET quantity = 1 WHERE false',
    ])
      expect(await failure(first.query(late))).to.match(/^OE001 epoch 1 of shop is over: epoch 2 was claimed by n2 at 20/);
    expect(await failure(first.query(`SELECT fencing.check('shop')`))).to.match(/^OE001 /);
    expect(await failure(claim(first, 1))).to.match(/^OE001 /);
    expect(await failure(insert(third))).to.match(/^OE003 /);
    expect(await epochsOfOrders()).to.deep.equal([1, 2]);
  });

  it('the service cannot go round the rules, and the audit finds what went round them', async () => {
    const session = await service(1);
    await claim(session, 1);
    const attempts = [
      'UPDATE fencing.epochs SET epoch = 7',
      'DELETE FROM fencing.epochs',
      'INSERT INTO shop.orders (item, quantity, epoch) VALUES (1, 1, 9)',
      'DELETE FROM shop.orders',
      'TRUNCATE shop.orders',
      'ALTER TABLE shop.orders DISABLE TRIGGER fenced',
      'DROP TRIGGER fenced ON shop.orders',
      'SET session_replication_role = replica',
      'SET ROLE fencing_owner',
      `CREATE OR REPLACE FUNCTION fencing.check(of_app text) RETURNS void LANGUAGE sql AS ''`,
    ];
    for (const sql of attempts) expect(await failure(session.query(sql)), sql).to.match(/^42501 /);
    // A table of its own in front of the real one deceives nobody.
    await session.query('CREATE TEMPORARY TABLE epochs AS SELECT 9 AS epoch; SET search_path = pg_temp, fencing');
    await session.query('SET ha.epoch = 9');
    expect(await failure(insert(session))).to.match(/^OE003 /);

    await claim(await service(2), 2);
    await insert(await service(2));
    await admin.query(`ALTER TABLE shop.orders DISABLE TRIGGER fenced; SET ha.epoch = 1`);
    await insert(admin);
    expect(await lateOrders()).to.deep.equal([2]);
  });

  it('a claim waits for the transactions that were let in, and they stay whole; what begins after it is refused', async () => {
    const [old, next] = [await service(1), await service(2)];
    await claim(old, 1);
    await old.query('BEGIN');
    await insert(old);
    const claimed = claim(next, 2);
    await untilWaiting('fencing.claim');
    await insert(old);
    await old.query('COMMIT');
    await claimed;
    await insert(next);
    expect(await failure(insert(old))).to.match(/^OE001 /);
    expect(await epochsOfOrders()).to.deep.equal([1, 1, 2]);
  });

  for (const [end, expected] of [
    ['COMMIT', /^OE001 /],
    ['ROLLBACK', /^it did not fail$/],
  ] as const) {
    it(`a write that comes during a claim waits for its ${end}, and then knows`, async () => {
      const [old, next] = [await service(1), await service(2)];
      await claim(old, 1);
      await next.query('BEGIN');
      await claim(next, 2);
      const written = failure(insert(old));
      await untilWaiting('INSERT INTO shop.orders');
      await next.query(end);
      expect(await written).to.match(expected);
    });
  }

  it('a transaction with an older view of the database fails, and repeated is told why', async () => {
    const [old, next] = [await service(1), await service(2)];
    await claim(old, 1);
    await old.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await old.query('SELECT count(*) FROM shop.orders');
    await claim(next, 2);
    expect(await failure(insert(old))).to.match(/^40001 /);
    await old.query('ROLLBACK');
    expect(await failure(insert(old))).to.match(/^OE001 /);
  });

  it('a transaction that stands still is ended by the server, so that the next master need not wait for ever', async () => {
    const [old, next] = [await service(1), await service(2)];
    await claim(old, 1);
    await old.query('BEGIN');
    await insert(old);
    await claim(next, 2);
    expect(await failure(old.query('COMMIT'))).to.match(/terminat|^57P|not queryable/i);
    expect(await epochsOfOrders()).to.deep.equal([]);
  });

  it('masters that follow each other with many writers each leave their orders in the order of their epochs, none twice, none late', async () => {
    const EPOCHS = 5;
    const WRITERS = 3;
    const WRITES_MAX = 2_000;
    // Between the check and the row there is time enough for a claim and another master's order, if nothing held them up.
    const slowly = `INSERT INTO shop.orders (item, quantity) SELECT 'apple', 1 FROM pg_sleep(0.003)`;
    const written = new Map<number, number>();
    const write = async (session: pg.Client, epoch: number): Promise<string> => {
      for (let count = 0; count < WRITES_MAX; count += 1) {
        const how = await failure(session.query(slowly));
        if (how !== 'it did not fail') return how;
        written.set(epoch, (written.get(epoch) ?? 0) + 1);
      }
      return 'never refused';
    };
    const ends: Promise<string>[] = [];
    for (let epoch = 1; epoch <= EPOCHS; epoch += 1) {
      const sessions = await Promise.all(Array.from({length: WRITERS}, () => service(epoch)));
      await claim(sessions[0]!, epoch);
      await insert(sessions[0]!);
      written.set(epoch, 1);
      ends.push(...sessions.map((session) => write(session, epoch)));
      await eventually(() => (written.get(epoch) ?? 0) >= 20, LIMIT_MS, `nobody writes under epoch ${epoch}`);
    }
    await claim(await service(EPOCHS + 1), EPOCHS + 1);
    for (const how of await Promise.all(ends)) expect(how).to.match(/^OE001 /);
    const epochs = await epochsOfOrders();
    expect(epochs).to.deep.equal([...epochs].sort((a, b) => a - b));
    expect(await lateOrders()).to.deep.equal([]);
    for (const [epoch, count] of written) expect(epochs.filter((each) => each === epoch)).to.have.length(count);
  });

  it('a program that knows nothing of it is fenced by way of its environment', async () => {
    const run = async (epoch: number, sql: string): Promise<string> => {
      const command = `psql -qX -c "SELECT fencing.claim('shop', $HA_EPOCH, '$HA_NODE_ID')" > /dev/null &&
        PGOPTIONS="-c ha.epoch=$HA_EPOCH" exec psql -qXAt -v ON_ERROR_STOP=1 -c "${sql}"`;
      const where = {PGHOST: postgres.directory, PGUSER: 'shop_service', PGDATABASE: database};
      const env = {PATH: `${postgres.bin}:${process.env['PATH']}`, ...where, HA_EPOCH: String(epoch), HA_NODE_ID: `n${epoch}`};
      return (await execute('sh', ['-c', command], {env})).stdout.trim();
    };
    expect(await run(4, `INSERT INTO shop.orders (item, quantity) VALUES ('apple', 2) RETURNING epoch`)).to.equal('4');
    const refused: unknown = await run(3, 'SELECT 1').catch((error: unknown) => error);
    expect(refused)
      .to.have.property('stderr')
      .that.matches(/epoch 3 of shop is over: epoch 4 was claimed by n4/);
  });
});

// A shop for ha-agent to keep active on one node, whose database refuses it as soon as another one has become master.
// Usage: node server.mjs [--port PORT] [--database URL]; without a URL the PG… variables say where the database is.
import {createServer} from 'node:http';
import {parseArgs} from 'node:util';
import pg from 'pg';

const APP = 'shop';
/** What the database says to an epoch that is over: see fencing.sql. */
const EPOCH_IS_OVER = 'OE001';
const BODY_MAX = 10_000;
const QUANTITY_MAX = 1_000;
/** What is under way at the end has this long to be answered. */
const FAREWELL_MS = 1_000;

const {values} = parseArgs({options: {port: {type: 'string', default: '8080'}, database: {type: 'string'}}});
const epoch = process.env.HA_EPOCH ?? '';
const node = process.env.HA_NODE_ID ?? '';
if (!/^[1-9]\d*$/.test(epoch) || node === '') {
  console.error('without HA_EPOCH and HA_NODE_ID this service may not write: let ha-agent run it');
  process.exit(1);
}

// Every connection carries the token, so that no statement can be without it.
const pool = new pg.Pool({
  max: 4,
  ...(values.database && {connectionString: values.database}),
  options: `-c ha.epoch=${epoch}`,
  application_name: `${APP} ${node} epoch ${epoch}`,
});
// A connection that breaks while nobody uses it is made anew when it is needed.
pool.on('error', (error) => console.error(`a connection to the database broke: ${error.message}`));

const server = createServer((request, response) => {
  answer(request).then(
    ([status, body]) => send(response, status, body),
    (error) => fail(response, error),
  );
});

let ending = false;
process.on('SIGTERM', () => end(0));

try {
  // Before anything is read or served: from here on no older master writes, and what it wrote is there.
  await pool.query('SELECT fencing.claim($1, $2, $3)', [APP, epoch, node]);
} catch (error) {
  console.error(`epoch ${epoch} cannot be claimed: ${error.message}`);
  process.exit(1);
}
server.listen(Number(values.port), '127.0.0.1', () => {
  console.log(`${node} serves http://127.0.0.1:${values.port}/ under epoch ${epoch}`);
});

async function answer(request) {
  const {pathname} = new URL(request.url ?? '/', 'http://localhost');
  const wanted = `${request.method} ${pathname}`;
  if (wanted === 'GET /health') return checkHealth();
  if (wanted === 'POST /orders') return placeOrder(await readJson(request));
  if (wanted === 'GET /stock') return [200, await readStock()];
  return [404, {error: 'there is POST /orders, GET /stock and GET /health'}];
}

/** Ready is who could write. */
async function checkHealth() {
  await pool.query('SELECT fencing.check($1)', [APP]);
  return [200, {node, epoch}];
}

/** An order and the stock that it takes are written together or not at all. */
async function placeOrder({item, quantity}) {
  if (typeof item !== 'string' || !Number.isInteger(quantity) || quantity < 1 || quantity > QUANTITY_MAX) {
    return [400, {error: 'send {"item": "apple", "quantity": 1}'}];
  }
  return transaction(async (client) => {
    const taken = await client.query(
      'UPDATE shop.stock SET quantity = quantity - $2 WHERE item = $1 AND quantity >= $2 RETURNING quantity',
      [item, quantity],
    );
    if (taken.rowCount === 0) return [409, {error: `there are not ${quantity} of ${item}`}];
    const order = await client.query('INSERT INTO shop.orders (item, quantity) VALUES ($1, $2) RETURNING id', [item, quantity]);
    return [201, {node, epoch, id: Number(order.rows[0].id), left: taken.rows[0].quantity}];
  });
}

/** Reading takes no token by itself: a former master would go on telling what was true once. */
async function readStock() {
  return transaction(async (client) => {
    await client.query('SELECT fencing.check($1)', [APP]);
    const {rows} = await client.query('SELECT item, quantity FROM shop.stock ORDER BY item');
    return {node, epoch, stock: Object.fromEntries(rows.map((row) => [row.item, row.quantity]))};
  });
}

async function transaction(work) {
  const client = await pool.connect();
  let broken;
  // The server may end a connection while we do something else, above all while we are frozen: that is no reason to crash.
  const note = (error) => (broken = error);
  client.on('error', note);
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(note);
    throw error;
  } finally {
    client.off('error', note);
    // One that is broken is not given to the next request.
    client.release(broken);
  }
}

async function readJson(request) {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) {
    text += piece;
    if (text.length > BODY_MAX) break;
  }
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

function fail(response, error) {
  const fenced = error.code === EPOCH_IS_OVER;
  console.error(fenced ? `the database refuses this master: ${error.message}` : `a request failed: ${error.message}`);
  send(response, fenced ? 503 : 500, {error: fenced ? error.message : 'it could not be done: see the log of this service'});
  // The guardian is late, or this process would not have lived to hear it.
  if (fenced) end(3);
}

function send(response, status, body) {
  response.writeHead(status, {'Content-Type': 'application/json', 'Cache-Control': 'no-store'});
  response.end(`${JSON.stringify(body)}\n`);
}

/** What is under way is answered; that time is a part of every switchover. */
function end(status) {
  if (ending) return;
  ending = true;
  console.log(`${node} stops under epoch ${epoch}`);
  // Where it does not listen yet this comes at once.
  server.close(() => process.exit(status));
  server.closeIdleConnections();
  setTimeout(() => process.exit(status), FAREWELL_MS);
}

// The service of `npm run bench:failover`: answers HTTP, and writes into one file when it did what, in ns of the host's monotonic clock.
// Usage: node bench-service.mjs --log FILE --node ID --port PORT. Lines: "NS WHAT NODE EPOCH RUN"; `begin` is the start of the process itself.
import {randomBytes} from 'node:crypto';
import {constants, openSync, writeSync} from 'node:fs';
import {createServer} from 'node:http';
import {parseArgs} from 'node:util';

const begunAt = process.hrtime.bigint() - BigInt(Math.round(performance.now() * 1e6));
const ALIVE_MS = 10;
const text = {type: 'string', default: ''};
const {log, node, port} = parseArgs({options: {log: text, node: text, port: text}}).values;
const run = randomBytes(4).toString('hex');
const epoch = process.env.HA_EPOCH ?? '0';
const fd = openSync(log, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o644);
const write = (what, at = process.hrtime.bigint()) => writeSync(fd, `${at} ${what} ${node} ${epoch} ${run}\n`);

write('begin', begunAt);
setInterval(() => write('alive'), ALIVE_MS);
let answered = false;
const server = createServer((request, response) => {
  // Whether it is ready, the agent asks; what counts is a client.
  if (request.url !== '/health' && !answered) {
    answered = true;
    write('answer');
  }
  response.end(`${node} ${epoch} ${run}\n`);
});
server.listen(Number(port), '127.0.0.1', () => write('listening'));
process.on('SIGTERM', () => {
  write('term');
  server.close(() => {
    write('end');
    process.exit(0);
  });
  server.closeAllConnections();
});

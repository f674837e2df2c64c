// A small service for ha-agent to keep active on one node: it says who it is, under which epoch, and since when.
// Usage: node server.mjs [--port PORT]; what it knows about its place it reads from the HA_* variables.
import {createServer} from 'node:http';
import {parseArgs} from 'node:util';

const {values} = parseArgs({options: {port: {type: 'string', default: '8080'}}});

/** The fencing token: hand it on to whatever this service writes to, and let that refuse a smaller one. */
const epoch = Number(process.env.HA_EPOCH ?? 0);
const self = {
  node: process.env.HA_NODE_ID ?? 'on its own, without ha-agent',
  app: process.env.HA_APP ?? null,
  epoch,
  since: new Date().toISOString(),
  pid: process.pid,
  agent: process.env.HA_URI ?? null,
};
let answers = 0;

const server = createServer((request, response) => {
  const path = new URL(request.url ?? '/', 'http://localhost').pathname;
  response.setHeader('Cache-Control', 'no-store');
  if (path === '/health') return void response.end('ok\n');
  if (path !== '/') return void response.writeHead(404).end('not here: try / or /health\n');
  answers += 1;
  const wantsPage = request.headers.accept?.includes('text/html') === true;
  response.setHeader('Content-Type', wantsPage ? 'text/html; charset=utf-8' : 'application/json');
  response.end(wantsPage ? page() : `${JSON.stringify({...self, answers})}\n`);
});

// Stopping quickly is part of a short switchover: open connections are not waited for.
process.on('SIGTERM', () => {
  console.log(`${self.node} stops after ${answers} answers`);
  server.close(() => process.exit(0));
  server.closeAllConnections();
});

server.listen(Number(values.port), '127.0.0.1', () => {
  console.log(`${self.node} serves http://127.0.0.1:${values.port}/ under epoch ${epoch}`);
});

function page() {
  const agent = self.agent === null ? '' : ` Its agent: <a href="${escape(self.agent)}">${escape(self.agent)}</a>.`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escape(self.node)}</title></head>
<body style="font:18px/1.6 system-ui,sans-serif;margin:3rem auto;max-width:40rem;padding:0 1rem">
<h1>${escape(self.node)}, epoch ${epoch}</h1>
<p>Active since ${escape(self.since)} as process ${self.pid}; this is answer ${answers}.${agent}</p>
</body></html>
`;
}

function escape(text) {
  return String(text).replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}

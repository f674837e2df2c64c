// HAL's voting app in small: the active one takes votes and counts them, a passive one says that it is none.
// Usage: node vote.mjs ID active|passive DIRECTORY; listens on VOTING_PORT (8200) + ID, keeps the votes in DIRECTORY/votes.
import {appendFile, readFile, rename, writeFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {join} from 'node:path';
import {URLSearchParams} from 'node:url';

const [id = '0', mode = 'passive', directory = '.'] = process.argv.slice(2);
const port = Number(process.env.VOTING_PORT ?? 8200) + Number(id);
/** The fencing token: it stands beside every vote, so that one whose time is over can see it. */
const epoch = Number(process.env.HA_EPOCH ?? 0);
const votes = join(directory, 'votes');
const CANDIDATES = ['apple', 'banana', 'cherry'];
const FORM_MAX = 1_000;

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error);
    if (!response.headersSent) response.writeHead(500);
    response.end('this vote could not be handled\n');
  });
});

async function answer(request, response) {
  const {pathname} = new URL(request.url ?? '/', 'http://localhost');
  response.setHeader('Cache-Control', 'no-store');
  if (mode !== 'active') return response.writeHead(503).end(`node ${id} is passive: vote at the active one\n`);
  if (pathname === '/vote' && request.method === 'POST') return vote(request, response);
  const counted = count(await readVotes());
  if (pathname === '/tally') return response.end(`${JSON.stringify({node: id, epoch, votes: counted})}\n`);
  if (pathname !== '/') return response.writeHead(404).end('not here: try / or /tally\n');
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  return response.end(page(counted));
}

async function vote(request, response) {
  let form = '';
  for await (const chunk of request.setEncoding('utf8')) form = (form + chunk).slice(0, FORM_MAX);
  const candidate = new URLSearchParams(form).get('candidate') ?? '';
  if (!CANDIDATES.includes(candidate)) return response.writeHead(400).end(`vote for one of ${CANDIDATES.join(', ')}\n`);
  const newest = (await readVotes()).at(-1)?.epoch ?? 0;
  if (newest > epoch)
    return response.writeHead(503).end(`node ${id} has been replaced: epoch ${newest} is there, its own is ${epoch}\n`);
  await appendFile(votes, `${epoch} ${candidate}\n`);
  return response.writeHead(303, {Location: '/'}).end();
}

async function readVotes() {
  const text = await readFile(votes, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => ({epoch: Number(line.split(' ')[0]), candidate: line.split(' ')[1]}));
}

const count = (cast) =>
  Object.fromEntries(CANDIDATES.map((candidate) => [candidate, cast.filter((each) => each.candidate === candidate).length]));

function page(counted) {
  const rows = CANDIDATES.map(
    (candidate) => `<p><button name="candidate" value="${candidate}">${candidate}</button> ${counted[candidate]}</p>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Vote</title></head>
<body style="font:18px/1.6 system-ui,sans-serif;margin:3rem auto;max-width:30rem">
<h1>Vote</h1><form method="post" action="/vote">${rows.join('\n')}</form>
<p>Counted by node ${id} under epoch ${epoch}.</p></body></html>
`;
}

process.on('SIGTERM', () => {
  console.log(`the ${mode} voting app of node ${id} ends`);
  server.close(() => process.exit(0));
  server.closeAllConnections();
});

server.listen(port, '127.0.0.1', async () => {
  console.log(`the voting app of node ${id} is ${mode}: http://127.0.0.1:${port}/`);
  // By rename: whoever reads the file sees the whole number.
  const file = join(directory, `vote-${id}.pid`);
  await writeFile(`${file}.new`, String(process.pid));
  await rename(`${file}.new`, file);
});

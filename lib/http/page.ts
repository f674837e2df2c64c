// The page for people: the nodes, who is master and why, as plain HTML that renews itself without a script.
import type {NodeStatus, Status} from '../agent/status.ts';
import {formatSpan} from './views.ts';

const REFRESH_S = 2;

const STYLE = `
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1c1c1c;background:#fff}
h1{font-size:1.4rem} table{border-collapse:collapse;width:100%} th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #ccc}
.MASTER{background:#e2f5e2} .FAILED{background:#fbe3e3} .warning{background:#fff3cd;border-left:4px solid #d39e00;padding:.6rem 1rem}
.own{font-weight:600} small{color:#555}
@media(prefers-color-scheme:dark){body{color:#eee;background:#181818}.MASTER{background:#1e3d1e}.FAILED{background:#4a1f1f}.warning{background:#40350f}small{color:#aaa}}
`;

export function renderPage(s: Status): string {
  const title = `${s.nodeId}: ${s.state} (${s.app})`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="${REFRESH_S}">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
${warnings(s)
  .map((html) => `<p class="warning">${html}</p>`)
  .join('\n')}
<p>${escapeHtml(s.because)} <small>(${escapeHtml(s.phase)})</small></p>
<p>${leaseSentence(s)}</p>
<table>
<thead><tr><th>node</th><th>state</th><th>epoch</th><th>priority</th><th>eligible</th><th>last seen</th><th>address</th><th>why</th></tr></thead>
<tbody>
${s.nodes.map((node) => row(node, s.nodeId)).join('\n')}
</tbody>
</table>
<p><small>ha-agent ${escapeHtml(s.version)}, store ${escapeHtml(s.storeId ?? 'not known yet')} in ${escapeHtml(s.persistenceDir ?? 'no directory')};
up for ${formatSpan(Date.now() - s.startedAtWallMs)}. This page renews itself every ${REFRESH_S} s.</small></p>
</body>
</html>
`;
}

/** What somebody who came to the wrong node, or at the wrong time, has to know first. */
function warnings(s: Status): readonly string[] {
  const found: string[] = [];
  if (s.shuttingDown) found.push('This node is shutting down.');
  if (s.paused) found.push('The cluster is paused: nobody else will take over until it is resumed.');
  if (!s.healthy) found.push('The agent of this node does not work as it should.');
  if (s.state === 'MASTER') return found;
  if (s.masterId === null) found.push('Nobody is master at the moment.');
  else if (s.masterId === s.nodeId) found.push('This node owns the lease, and its service is not ready yet.');
  else found.push(`This node is not the master. The master is ${link(s.masterUri, s.masterId)}.`);
  return found;
}

function leaseSentence(s: Status): string {
  const timeout = formatSpan(s.leaseTimeoutMs);
  if (s.leaseLeftMs === null) return `This node holds no lease; a master that is silent for ${timeout} is replaced.`;
  return `Lease under epoch ${s.epoch}: ${formatSpan(s.leaseLeftMs)} left of ${timeout}.`;
}

function row(node: NodeStatus, ownId: string): string {
  const seen = node.nodeId === ownId ? 'this node' : node.lastSeenMs === null ? 'never' : `${formatSpan(node.lastSeenMs)} ago`;
  const cells = [
    escapeHtml(node.nodeId),
    escapeHtml(node.state),
    String(node.epoch),
    String(node.priority),
    node.eligible ? 'yes' : 'no',
    seen,
    node.uri === null ? '' : link(node.uri, node.uri),
    escapeHtml(node.because),
  ];
  const own = node.nodeId === ownId ? ' own' : '';
  return `<tr class="${escapeHtml(node.state)}${own}">${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
}

/** The address comes from a record in the store: only what is plainly a web address becomes a link. */
function link(uri: string | null, text: string): string {
  if (uri === null || !URL.canParse(uri) || !/^https?:$/.test(new URL(uri).protocol)) return escapeHtml(text);
  return `<a href="${escapeHtml(uri)}" rel="noreferrer">${escapeHtml(text)}</a>`;
}

const ENTITIES: Readonly<Record<string, string>> = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;'};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

// The page for people.
import {expect} from 'chai';
import {renderPage} from '../../lib/http/page.ts';
import {formatSpan} from '../../lib/http/views.ts';
import {fakeAgent, node} from './fake-agent.ts';
import {harness} from './harness.ts';

describe('the page', () => {
  it('is HTML that renews itself, runs no script and loads nothing', async () => {
    const response = await harness().ask('/');
    expect(response.headers.get('content-type')).to.match(/^text\/html/);
    expect(response.headers.get('content-security-policy')).to.contain("default-src 'none'");
    const html = await response.text();
    expect(html).to.contain('<meta http-equiv="refresh" content="2">');
    expect(html).not.to.match(/<script|src=/);
  });

  it('shows who is master, the time left on the lease, every node and why', () => {
    const html = renderPage(fakeAgent().status());
    expect(html).to.contain('n1: MASTER (shop)');
    expect(html).to.contain('28s left of 30s');
    for (const text of ['n1 is MASTER', 'n2 is STANDBY', 'n3 is FAILED', '400ms ago', 'never']) expect(html).to.contain(text);
    expect(html).not.to.contain('class="warning"');
  });

  it('warns on a standby and links to the master', () => {
    const html = renderPage(fakeAgent('STANDBY').status());
    expect(html).to.contain('This node is not the master. The master is <a href="http://n2.example:8081/"');
  });

  it('warns while nobody is master, while paused and while shutting down', () => {
    const agent = fakeAgent('STANDBY');
    agent.set({masterId: null, masterUri: null, paused: true, shuttingDown: true, healthy: false});
    const html = renderPage(agent.status());
    for (const text of ['Nobody is master', 'is paused', 'shutting down', 'does not work']) expect(html).to.contain(text);
  });

  it('shows what comes from the store as text, and links to web addresses only', () => {
    const agent = fakeAgent('STANDBY');
    const evil = '<img src=x onerror=alert(1)>"\'&';
    const uri = 'javascript:alert(1)';
    agent.set({because: evil, masterUri: uri, nodes: [node('n1', 'STANDBY', {because: evil, uri}), node('n2', 'MASTER')]});
    const html = renderPage(agent.status());
    expect(html).not.to.contain('<img');
    expect(html).not.to.contain('href="javascript');
    expect(html).to.contain('&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;');
  });
});

describe('a span of time', () => {
  for (const [ms, text] of [
    [-5, '0ms'],
    [999, '999ms'],
    [1_000, '1s'],
    [182_000, '3m 2s'],
    [3_600_000, '1h'],
    [90_061_500, '1d 1h'],
  ] as const) {
    it(`of ${ms} ms reads ${text}`, () => {
      expect(formatSpan(ms)).to.equal(text);
    });
  }
});

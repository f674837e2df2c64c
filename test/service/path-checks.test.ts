// Free space and writability of real directories, groups of checks, and certificates that are verified.
import {execFileSync} from 'node:child_process';
import fs from 'node:fs/promises';
import https from 'node:https';
import type {AddressInfo} from 'node:net';
import path from 'node:path';
import {expect} from 'chai';
import type {Outcome, Question} from '../../lib/service/check.ts';
import {createProbe} from '../../lib/service/probe.ts';
import {useTempDir} from '../support/temp-dir.ts';

const timeoutMs = 10_000;
const ask = (question: Question): Promise<Outcome> => createProbe(question)(new AbortController().signal);
const command = (script: string): Question => ({kind: 'command', command: ['sh', '-c', script], timeoutMs});
const yes = command('exit 0');
const no = (words: string): Question => command(`echo ${words}; exit 1`);

describe('a check of a path', () => {
  const directory = useTempDir();

  it('A8: of free space passes at the threshold and above, and fails below', async () => {
    const {bavail, bsize} = await fs.statfs(directory());
    const disk = (freeBytes: number): Promise<Outcome> => ask({kind: 'disk', path: directory(), freeBytes, timeoutMs});
    expect((await disk(0)).ok).to.equal(true);
    expect((await disk(Math.floor((bavail * bsize) / 2))).because).to.match(/^disk \/.* has \d[\d.]* [KMGT]iB free$/);
    const short = await disk(bavail * bsize * 2);
    expect(short.ok).to.equal(false);
    expect(short.because).to.match(/^disk \/.* has \d[\d.]* [KMGT]iB free, less than \d[\d.]* [KMGT]iB$/);
  });

  it('A8: takes exactly the threshold for enough', async () => {
    // The numbers of a real disk move while they are compared: this one prints what it is told.
    const stat = path.join(directory(), 'stat');
    await fs.writeFile(stat, '#!/bin/sh\necho "2560 4096"\n', {mode: 0o755});
    const {PATH} = process.env;
    process.env['PATH'] = `${directory()}:${PATH}`;
    try {
      const verdicts = [10_485_759, 10_485_760, 10_485_761].map((freeBytes) =>
        ask({kind: 'disk', path: '/', freeBytes, timeoutMs}),
      );
      expect((await Promise.all(verdicts)).map(({ok}) => ok)).to.deep.equal([true, true, false]);
    } finally {
      process.env['PATH'] = PATH;
    }
  });

  it('A9: of writability leaves nothing behind, and fails where nothing can be made', async () => {
    const good = await ask({kind: 'writable', path: directory(), timeoutMs});
    expect(good).to.deep.equal({ok: true, because: `writable ${directory()} is writable`});
    expect(await fs.readdir(directory())).to.deep.equal([]);
    const missing = await ask({kind: 'writable', path: path.join(directory(), 'nothing'), timeoutMs});
    expect(missing.ok).to.equal(false);
    expect(missing.because).to.match(/exited with 1: .*cannot write .* to the disk/);
    // What root may not do either; a read-only mount answers alike.
    const readOnly = await ask({kind: 'writable', path: '/proc/self', timeoutMs});
    expect(readOnly.ok).to.equal(false);
  });

  it('A9: of writability fails where nothing that is written stays', async () => {
    const full = await ask({kind: 'writable', path: '/dev/full', timeoutMs});
    expect(full.ok).to.equal(false);
  });

  it('of writability follows no link that lies in its place', async () => {
    const probe = createProbe({kind: 'writable', path: directory(), timeoutMs});
    const victim = path.join(directory(), 'victim');
    await fs.writeFile(victim, 'precious');
    // The name that the next run takes, as far as anybody could foretell it.
    const {hostname} = await import('node:os');
    for (let n = 1; n < 60; n++)
      await fs.symlink(victim, path.join(directory(), `.ha-agent-writable.${hostname()}.${process.pid}.${n}`));
    expect((await probe(new AbortController().signal)).ok).to.equal(true);
    expect(await fs.readFile(victim, 'utf8')).to.equal('precious');
  });
});

describe('a group of checks', () => {
  const cases: readonly (readonly [string, Question, boolean, RegExp])[] = [
    ['anyOf passes with one', {kind: 'anyOf', of: [no('a'), yes]}, true, /exited with 0$/],
    ['anyOf fails with none', {kind: 'anyOf', of: [no('a'), no('b')]}, false, /^anyOf: .*exited with 1: a, .*exited with 1: b$/],
    ['allOf passes with all', {kind: 'allOf', of: [yes, yes]}, true, /exited with 0$/],
    [
      'allOf fails with one missing, and names that one',
      {kind: 'allOf', of: [yes, no('b')]},
      false,
      /^allOf: "[^,]*exited with 1: b$/,
    ],
    ['groups hold groups', {kind: 'allOf', of: [yes, {kind: 'anyOf', of: [no('a'), {kind: 'allOf', of: [yes]}]}]}, true, /0$/],
  ];
  for (const [title, question, ok, because] of cases) {
    it(title, async () => {
      const outcome = await ask(question);
      expect(outcome.ok).to.equal(ok);
      expect(outcome.because).to.match(because);
    });
  }
});

describe('A20: a check over https', () => {
  const directory = useTempDir();

  async function serve(days: number): Promise<{url: string; ca: string; close: () => Promise<void>}> {
    const [ca, key, request, cert] = ['ca.pem', 'key.pem', 'request.pem', 'cert.pem'].map((name) => path.join(directory(), name));
    const openssl = (...args: string[]): unknown => execFileSync('openssl', args, {stdio: 'pipe', cwd: directory()});
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=private', '-keyout', 'ca.key', '-out', ca!);
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=127.0.0.1', '-keyout', key!, '-out', request!);
    await fs.writeFile(path.join(directory(), 'names'), 'subjectAltName=IP:127.0.0.1\n');
    openssl(
      ...`x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -days ${days} -extfile names`.split(' '),
      '-in',
      request!,
      '-out',
      cert!,
    );
    const server = https.createServer({key: await fs.readFile(key!), cert: await fs.readFile(cert!)}, (_, response) =>
      response.end(),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const close = async (): Promise<void> => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    };
    return {url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/`, ca: ca!, close};
  }

  const http = (url: string, ca?: string): Question => ({kind: 'http', url, expect: undefined, ca, timeoutMs});

  it('passes with the right authority or without any, and fails with another one, and with none that can be read', async () => {
    const {url, ca, close} = await serve(1);
    try {
      expect(await ask(http(url, ca))).to.deep.equal({ok: true, because: `${url} answered 200`});
      expect((await ask(http(url))).ok, 'without ca the question is only whether it answers').to.equal(true);
      const other = path.join(directory(), 'other.pem');
      const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=other', '-keyout', '/dev/null', '-out', other];
      execFileSync('openssl', args, {stdio: 'pipe'});
      expect((await ask(http(url, other))).because).to.match(/cannot be asked: unable to verify|cannot be asked: .*certificate/);
      expect((await ask(http(url, `${ca}.gone`))).because).to.match(/its ca cannot be read: ENOENT/);
    } finally {
      await close();
    }
  });

  it('fails with a certificate that is out of date, and says so', async () => {
    const {url, ca, close} = await serve(-1);
    try {
      expect(await ask(http(url, ca))).to.deep.equal({ok: false, because: `${url} cannot be asked: certificate has expired`});
    } finally {
      await close();
    }
  });
});

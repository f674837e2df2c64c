// The command line of proxy: what is refused before anything is written, with every fault at once.
import fs from 'node:fs/promises';
import net, {type AddressInfo} from 'node:net';
import path from 'node:path';
import {expect} from 'chai';
import {runCommand} from '../e2e/support/command.ts';
import {useTempDir} from '../support/temp-dir.ts';

describe('ha-agent proxy', () => {
  const directory = useTempDir();
  const proxy = (...args: string[]): ReturnType<typeof runCommand> =>
    runCommand(['proxy', ...args], {cwd: directory(), env: {PATH: process.env['PATH'], HOME: directory()}});
  const source = ['--from', 'http://127.0.0.1:1/'];

  it('says all that is wrong with what it was given', async () => {
    const faulty = ['--hold', '10', '--holdAt', 'nowhere', '--listen', '80; evil', '--from', 'ftp://x', '--check', "a 'b"];
    const {code, stderr} = await proxy('--template', 'nginx', ...faulty);
    expect(code).to.equal(3);
    for (const fault of [
      /proxy\.output \(default\): found nothing, expected the file to write/,
      /hold \(option --hold\): found "10", expected a duration with a unit/,
      /holdAt \(option --holdAt\): found "nowhere", expected host:port/,
      /listen \(option --listen\): found "80; evil", expected an address and a port/,
      /from \(option --from\): found "ftp:\/\/x", expected http or https URLs/,
      /check \(option --check\): found "a 'b", expected a closing '/,
    ])
      expect(stderr).to.match(fault);
    expect(stderr).not.to.contain('persistenceDir').and.not.to.contain('launch --help');
  });

  it('needs a store or nodes, a template that can be parsed, and a place for those who wait', async () => {
    const output = ['--output', 'service.conf'];
    const nowhere = await proxy('--template', 'nginx', ...output);
    expect([nowhere.code, nowhere.stderr]).to.satisfy(
      ([code, text]: [number, string]) => code === 3 && /persistenceDir/.test(text),
    );

    await fs.writeFile(path.join(directory(), 'broken'), '{{#nodes}}');
    for (const template of ['broken', 'nothing']) {
      const refused = await proxy(...source, '--template', template, ...output);
      expect(refused.code).to.equal(3);
      expect(refused.stderr).to.match(/the template \S+ cannot be used: .*\n.*what to do: give nginx or haproxy, or a file/);
    }

    const taken = net.createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const holdAt = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
    const crowded = await proxy(...source, '--template', 'nginx', ...output, '--holdAt', holdAt);
    taken.close();
    expect(crowded.code).to.equal(2);
    expect(crowded.stderr).to.match(/the waiting room cannot listen on 127\.0\.0\.1 port \d+: .*\n.*--holdAt/);
    expect((await fs.readdir(directory())).sort()).to.deep.equal(['broken']);
  });
});

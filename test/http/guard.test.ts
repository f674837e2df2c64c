// Who may do what: passwords, roles, certificates, and pages of other sites.
import fs from 'node:fs/promises';
import path from 'node:path';
import {expect} from 'chai';
import {createCredentials, type Credentials} from '../../lib/http/credentials.ts';
import {isHaError} from '../../lib/errors.ts';
import {refuseExposure} from '../../lib/http/guard.ts';
import {matches} from '../../lib/http/password.ts';
import {openUsersFile, usersFileLine} from '../../lib/http/users-file.ts';
import {eventually} from '../support/eventually.ts';
import {makeTempDir, removeTempDir} from '../support/temp-dir.ts';
import {fakeAgent} from './fake-agent.ts';
import {harness} from './harness.ts';

const basic = (name: string, password: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});
const ADMIN = basic('ada', 'correct horse: battery');
const READER = basic('rita', 'look only');

describe('a node with a users file', () => {
  let directory: string;
  let file: string;
  let credentials: Credentials;
  let problems: unknown[];
  /** The cost of every password that was checked. */
  let hashed: unknown[];
  let lines: readonly [string, string];

  before(async () => {
    lines = [await usersFileLine('ada', 'admin', 'correct horse: battery'), await usersFileLine('rita', 'readonly', 'look only')];
  });
  beforeEach(async () => {
    directory = await makeTempDir();
    file = path.join(directory, 'users');
    await fs.writeFile(file, `# who may do what\n\n${lines.join('\n')}\n`);
    problems = [];
    hashed = [];
    const check: typeof matches = (password, expected) => {
      hashed.push([expected.cost, expected.blockSize, expected.parallel, expected.hash.length]);
      return matches(password, expected);
    };
    credentials = createCredentials(await openUsersFile(file, (error) => problems.push(error)), check);
  });
  afterEach(() => removeTempDir(directory));

  it('R4: asks for a password with 401 and a realm', async () => {
    for (const route of ['/v1/server/ha/state', '/v1/server/up', '/', '/v1/nothing']) {
      const response = await harness({credentials}).ask(route);
      expect(response.status, route).to.equal(401);
      expect(response.headers.get('www-authenticate')).to.match(/^Basic realm="ha-agent"/);
      expect(await response.json()).to.include({message: 'Authorization required', error: 401});
    }
  });

  it('never asks machines for one', async () => {
    const {ask, post} = harness({credentials, peer: {address: '192.0.2.1'}});
    for (const route of ['/master', '/health', '/metrics', '/openapi.json'])
      expect((await ask(route)).status, route).to.equal(200);
    expect((await ask('/standby')).status).to.equal(503);
    expect((await ask('/v1/events', {method: 'HEAD'})).status).to.equal(200);
    expect((await post('/v1/hint')).status).to.equal(204);
  });

  it('R4: lets an admin change things, and a reader only look', async () => {
    const {ask, post} = harness({credentials});
    expect((await ask('/v1/server/ha/states', {headers: READER})).status).to.equal(200);
    const refused = await post('/v1/pause', undefined, READER);
    expect(refused.status).to.equal(403);
    expect(await refused.json()).to.include({message: "User 'rita' is not authorized to perform this operation", error: 403});
    expect((await post('/v1/pause', undefined, ADMIN)).status).to.equal(204);
  });

  for (const [what, header] of [
    ['a wrong password', basic('ada', 'correct horse')],
    ['a user who is not there', basic('eve', 'look only')],
    ['the password of somebody else', basic('ada', 'look only')],
    ['something that is not Basic', {authorization: 'Bearer abc'}],
    ['something without a colon', {authorization: `Basic ${Buffer.from('ada').toString('base64')}`}],
    ['a header without end', basic('ada', 'x'.repeat(2_000))],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const response = await harness({credentials}).ask('/v1/server/up', {headers: header});
      expect([response.status, await response.json()]).to.deep.equal([401, {message: 'Authentication failed', error: 401}]);
    });
  }

  it('hashes a password once for many requests', async () => {
    const {ask} = harness({credentials});
    const together = await Promise.all([1, 2, 3].map(() => ask('/v1/server/up', {headers: ADMIN})));
    for (let i = 0; i < 3; i += 1) together.push(await ask('/v1/server/up', {headers: ADMIN}));
    expect(together.map(({status}) => status)).to.deep.equal(Array(6).fill(200));
    expect(hashed).to.have.length(1);
  });

  it('works as hard for a user who is not there', async () => {
    const {ask} = harness({credentials});
    await ask('/v1/server/up', {headers: basic('eve', 'look only')});
    await ask('/v1/server/up', {headers: basic('rita', 'wrong')});
    expect(hashed).to.have.length(2);
    expect(hashed[0]).to.deep.equal(hashed[1]);
  });

  it('does not let wrong passwords pile up: what is too much is put off with 503', async () => {
    let open: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const slow = createCredentials(await openUsersFile(file, () => undefined), async () => {
      await gate;
      return false;
    });
    const {ask} = harness({credentials: slow});
    const answered: number[] = [];
    const tries = Array.from({length: 20}, async (_, i) => {
      answered.push((await ask('/v1/server/up', {headers: basic('ada', `guess ${i}`)})).status);
    });
    await eventually(() => answered.length === 4);
    expect(answered).to.deep.equal([503, 503, 503, 503]);
    open?.();
    await Promise.all(tries);
    expect(answered.slice(4)).to.deep.equal(Array(16).fill(401));
  });

  it('R5: reads the file again when it has changed, and forgets who was let in', async () => {
    const {ask} = harness({credentials});
    expect((await ask('/v1/server/up', {headers: ADMIN})).status).to.equal(200);
    await fs.writeFile(file, `${lines[1]}\n`);
    await eventually(async () => (await ask('/v1/server/up', {headers: ADMIN})).status === 401);
    expect((await ask('/v1/server/up', {headers: READER})).status).to.equal(200);
  });

  it('keeps the users it had, and says so, when the file has become nonsense', async () => {
    const {ask} = harness({credentials});
    await fs.writeFile(file, 'ada:admin:my plain password\n');
    await eventually(async () => {
      expect((await ask('/v1/server/up', {headers: ADMIN})).status).to.equal(200);
      return problems.length > 0;
    });
    expect(String(problems[0])).to.contain('line 1: expected').and.not.to.contain('plain password');
  });

  it('takes a client certificate for the user that it names, and for nobody else', async () => {
    const asked = (certificateName: string): Promise<Response> =>
      harness({credentials, peer: {address: '192.0.2.1', certificateName}}).post('/v1/pause');
    expect((await asked('ada')).status).to.equal(204);
    expect((await asked('rita')).status).to.equal(403);
    expect((await asked('eve')).status).to.equal(401);
  });
});

describe('a node without a users file', () => {
  it('lets this host do everything, and others only look', async () => {
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
      expect((await harness({peer: {address}}).post('/v1/pause')).status, address).to.equal(204);
    }
    const far = harness({peer: {address: '192.0.2.1'}});
    expect((await far.ask('/v1/server/ha/states')).status).to.equal(200);
    expect((await far.post('/v1/pause')).status).to.equal(403);
    expect((await harness({peer: {address: undefined}}).post('/v1/pause')).status).to.equal(403);
  });

  it('lets others do everything only when told so', async () => {
    expect((await harness({insecure: true, peer: {address: '192.0.2.1'}}).post('/v1/pause')).status).to.equal(204);
  });

  for (const [address, has, refused] of [
    ['127.0.0.1', {}, false],
    ['127.8.9.10', {}, false],
    ['::1', {}, false],
    ['localhost', {}, false],
    ['0.0.0.0', {}, true],
    ['::', {}, true],
    ['n1.example', {}, true],
    ['127.evil.example', {}, true],
    ['0.0.0.0', {users: true}, false],
    ['0.0.0.0', {tls: true}, false],
    ['0.0.0.0', {insecure: true}, false],
  ] as const) {
    it(`${refused ? 'refuses to listen' : 'listens'} on ${address} with ${Object.keys(has).join() || 'nothing'}`, () => {
      const listen = (): void => refuseExposure(address, {users: false, tls: false, insecure: false, ...has});
      if (!refused) {
        expect(listen).not.to.throw();
        return;
      }
      expect(listen)
        .to.throw(/is not a loopback address/)
        .that.satisfies((error: unknown) => isHaError(error, 'config.invalid'));
    });
  }
});

describe('requests from pages', () => {
  const local = {host: 'localhost:8081', origin: 'http://localhost:8081', 'sec-fetch-site': 'same-origin'};
  const CASES: readonly [what: string, headers: Record<string, string>, status: number][] = [
    ['no page at all', {}, 204],
    ['our own page', local, 204],
    ['our own page under our uri', {host: 'n1.example:8081', origin: 'http://n1.example:8081'}, 204],
    ['our own page under an address', {host: '[::1]:8081', origin: 'http://[::1]:8081'}, 204],
    ['a request typed by hand', {host: 'localhost:8081', 'sec-fetch-site': 'none'}, 204],
    ['another site', {...local, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site'}, 403],
    ['another site, by its origin alone', {host: 'localhost:8081', origin: 'https://evil.example'}, 403],
    ['another port of this host', {...local, origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site'}, 403],
    ['a page without an origin', {host: 'localhost:8081', origin: 'null'}, 403],
    ['a name that somebody else made point here', {host: 'evil.example:8081', origin: 'http://evil.example:8081'}, 403],
    ['the same without an origin', {host: 'evil.example:8081', 'sec-fetch-site': 'same-origin'}, 403],
  ];
  for (const [what, headers, status] of CASES) {
    it(`are answered with ${status}: ${what}`, async () => {
      const node = harness();
      expect((await node.post('/v1/resume', undefined, headers)).status).to.equal(status);
      expect((await node.post('/v1/hint', undefined, headers)).status).to.equal(status);
      expect(node.agent.hints()).to.equal(status === 204 ? 1 : 0);
    });
  }

  it('may look wherever they come from: nothing changes', async () => {
    const agent = fakeAgent('STANDBY');
    const response = await harness({agent}).ask('/standby', {headers: {origin: 'https://evil.example'}});
    expect(response.status).to.equal(200);
    expect(response.headers.get('access-control-allow-origin')).to.equal(null);
  });
});

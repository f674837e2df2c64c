// The users file: what a line may be, and how much of it a complaint repeats.
import path from 'node:path';
import {expect} from 'chai';
import {isHaError} from '../../lib/errors.ts';
import {matches} from '../../lib/http/password.ts';
import {openUsersFile, parseUsers, usersFileLine} from '../../lib/http/users-file.ts';
import {useTempDir} from '../support/temp-dir.ts';

const HASH = `scrypt$16384$8$5$${Buffer.alloc(16, 1).toString('base64')}$${Buffer.alloc(32, 2).toString('base64')}`;

describe('the users file', () => {
  const directory = useTempDir();

  it('holds lines that can be made, with a salt of their own', async () => {
    const [one, two] = [
      await usersFileLine('ada', 'admin', 'gr\u00fc\u00dfe'),
      await usersFileLine('bob', 'readonly', 'gr\u00fc\u00dfe'),
    ];
    expect(one.split('$')[4]).not.to.equal(two.split('$')[4]);
    expect(one).not.to.contain('gr');
    const users = parseUsers('users', `${one}\n${two}`);
    const ada = users.get('ada')!;
    expect([ada.role, users.get('bob')!.role]).to.deep.equal(['admin', 'readonly']);
    expect(await matches('gr\u00fc\u00dfe', ada.password)).to.equal(true);
    expect(await matches('gru\u0308\u00dfe', ada.password), 'the same letters, composed otherwise').to.equal(true);
    expect(await matches('gruesse', ada.password)).to.equal(false);
  });

  for (const name of ['', 'a:b', ' a', '#a', 'a\nb', 'x'.repeat(65)]) {
    it(`has no line for the name ${JSON.stringify(name).slice(0, 20)}`, async () => {
      const error: unknown = await usersFileLine(name, 'admin', 'secret').catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(RangeError);
    });
  }

  it('has no line for an empty password', async () => {
    const error: unknown = await usersFileLine('ada', 'admin', '').catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(RangeError);
  });

  it('lists all bad lines at once, without what they hold', () => {
    const text = `ada:admin:${HASH}\nsecret1\nbob:king:${HASH}\ncy:admin:${HASH}:secret2\nada:readonly:${HASH}\n`;
    const parse = (): unknown => parseUsers('/etc/users', text);
    expect(parse).to.throw(/line 2: .*line 3: .*line 4: .*line 5: the user "ada" is there twice/);
    expect(parse).not.to.throw(/secret/);
  });

  for (const [what, hash] of [
    ['a cost that would stall the agent', HASH.replace('16384', '1048576')],
    ['a cost that is no power of two', HASH.replace('16384', '16385')],
    ['no passes', HASH.replace('$5$', '$0$')],
    ['a short hash', `${HASH.slice(0, -30)}=`],
    ['another method', HASH.replace('scrypt', 'md5')],
  ] as const) {
    it(`refuses a hash with ${what}`, () => {
      expect(() => parseUsers('users', `ada:admin:${hash}`)).to.throw(/line 1/);
    });
  }

  it('is refused when it is missing or names nobody', async () => {
    const missing: unknown = await openUsersFile(path.join(directory(), 'users'), () => undefined).catch(
      (error: unknown) => error,
    );
    expect(isHaError(missing, 'http.badFile')).to.equal(true);
    expect(() => parseUsers('users', '# nobody\n')).to.throw(/names no user/);
  });
});

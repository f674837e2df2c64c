// The private directory of a doctor: made, joined by name and nonce, removed, and cleaned up after the killed.
import {mkdir, readdir, rename, rm, symlink, utimes} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {Workplace} from '../../lib/doctor/workplace.ts';
import {isDoctorDirName} from '../../lib/store/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';

const NONCE = '0123456789abcdef0123456789abcdef';

describe('the private directory of a doctor', () => {
  const dir = useTempDir();

  it('has a name that no store and no birth of one has, and goes', async () => {
    const place = await Workplace.create(dir(), NONCE);
    expect(await readdir(dir())).to.deep.equal([place.name]);
    expect(isDoctorDirName(place.name)).to.equal(true);
    expect(isDoctorDirName('.doctor.0123abcd')).to.equal(false);
    await place.remove();
    expect(await readdir(dir())).to.deep.equal([]);
  });

  it('is found by whoever knows its name and its nonce, and by nobody else', async () => {
    const {name} = await Workplace.create(dir(), NONCE);
    expect((await Workplace.join(dir(), name, NONCE, 0))?.name).to.equal(name);
    for (const [otherName, nonce] of [
      [name, 'f'.repeat(32)],
      ['.doctor-ffffffffffffffff', NONCE],
      [`x/../${name}`, NONCE],
      [name, '..'],
    ] as const) {
      expect(await Workplace.join(dir(), otherName, nonce, 0), `${otherName} ${nonce}`).to.equal(undefined);
    }
  });

  it('is waited for', async () => {
    const place = await Workplace.create(dir(), NONCE);
    const away = join(dir(), 'away');
    await rename(join(dir(), place.name), away);
    const joining = Workplace.join(dir(), place.name, NONCE, 10_000);
    await rename(away, join(dir(), place.name));
    expect((await joining)?.name).to.equal(place.name);
  });

  it('is not entered through a link, nor are the rooms in it', async () => {
    const {name} = await Workplace.create(dir(), NONCE);
    const other = '.doctor-ffffffffffffffff';
    await symlink(name, join(dir(), other));
    expect(await Workplace.join(dir(), other, NONCE, 0)).to.equal(undefined);
    await rm(join(dir(), name, 'race'), {recursive: true});
    await symlink('/tmp', join(dir(), name, 'race'));
    expect(await Workplace.join(dir(), name, NONCE, 0)).to.equal(undefined);
  });

  it('is cleaned up by a later doctor when it is an hour old, and nothing else is', async () => {
    const [old, young, foreign] = ['.doctor-00000000000000aa', '.doctor-00000000000000bb', '.default.0123abcd'];
    const hoursAgo = new Date(Date.now() - 2 * 3_600_000);
    for (const name of [old, young, foreign, 'default']) await mkdir(join(dir(), name, 'lock'), {recursive: true});
    for (const name of [old, foreign, 'default']) await utimes(join(dir(), name), hoursAgo, hoursAgo);
    const place = await Workplace.create(dir(), NONCE);
    expect((await readdir(dir())).sort()).to.deep.equal([foreign, young, place.name, 'default'].sort());
  });
});

// Rename as compare-and-swap: this host's own, and ones that are broken on purpose, which have to be noticed.
import {copyFile, cp, link, mkdir, readdir, rename, rm, unlink} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {bootNow} from '../../lib/guardian/clock.ts';
import {tryFullDirectory} from '../../lib/doctor/full-directory.ts';
import {judgeRace, listAfresh, prepareRace, race} from '../../lib/doctor/race.ts';
import {rivalRounds, tally, type Rename} from '../../lib/doctor/rivals.ts';
import {useTempDir} from '../support/temp-dir.ts';

const AMOUNT = {rounds: 20, budgetMs: 10_000, rivals: 4};

/** What object stores do: everybody may copy before anybody deletes. */
const copying: Rename = async (from, to) => {
  await copyFile(from, to);
  await rm(from, {force: true});
};
const linking: Rename = async (from, to) => {
  await link(from, to);
  await unlink(from);
};
/** Says yes, does nothing. */
const lying: Rename = async () => undefined;
/** Does it, and the answer gets lost. */
const mute: Rename = async (from, to) => {
  await rename(from, to);
  throw Object.assign(new Error('ENOENT'), {code: 'ENOENT', errno: -2});
};

describe('rivals that rename one name', () => {
  const dir = useTempDir();

  it('have exactly one winner on this file system, and nothing is left of them', async () => {
    const found = await rivalRounds(dir(), AMOUNT);
    expect(found).to.deep.include({rounds: 20, once: 20, unheard: 0, broken: 0, example: null});
    expect(Object.values(found.wins).reduce((sum, wins) => sum + wins, 0)).to.equal(20);
    expect(await readdir(dir())).to.deep.equal([]);
  });

  for (const [what, move] of Object.entries({copying, linking, lying})) {
    it(`are found out where rename is broken: ${what}`, async () => {
      const found = await rivalRounds(dir(), AMOUNT, move);
      expect(found.broken).to.be.greaterThan(0);
      expect(found.example).to.be.a('string').that.is.not.empty;
    });
  }

  it('may all be told no, if the target of one is there: an answer was lost', async () => {
    expect(await rivalRounds(dir(), AMOUNT, mute)).to.deep.include({once: 0, unheard: 20, broken: 0});
  });

  it('stop when their time is over', async () => {
    expect((await rivalRounds(dir(), {...AMOUNT, budgetMs: 0})).rounds).to.equal(0);
  });

  it('count as broken whenever not exactly the winner is there', () => {
    for (const [winners, targets, sourceIsLeft] of [
      [['a', 'b'], ['a'], false],
      [['a'], ['b'], false],
      [['a'], ['a', 'b'], false],
      [['a'], [], false],
      [['a'], ['a'], true],
      [[], ['a', 'b'], false],
      [[], [], false],
      [[], [], true],
    ] as const) {
      expect(tally([{winners, targets, sourceIsLeft}]).broken, JSON.stringify([winners, targets, sourceIsLeft])).to.equal(1);
    }
  });
});

describe('a race of two hosts', () => {
  const dir = useTempDir();

  it('has one winner each round, whichever it is', async () => {
    await prepareRace(dir(), 30);
    const order = {count: 30, startAtMs: bootNow() + 50, periodMs: 3};
    const [here, there] = await Promise.all([race(dir(), order, 'here'), race(dir(), order, 'there')]);
    const found = judgeRace(here, there, await listAfresh(dir()));
    expect(found).to.deep.include({rounds: 30, once: 30, unheard: 0, broken: 0});
    expect(here.filter((outcome) => outcome === '').length + there.filter((outcome) => outcome === '').length).to.equal(30);
  });

  it('is broken where both were told that they had won, or what is left does not fit', () => {
    expect(judgeRace([''], [''], ['0.here'])).to.deep.include({broken: 1, once: 0});
    expect(judgeRace([''], ['ENOENT'], ['0.there'])).to.deep.include({broken: 1});
    expect(judgeRace([''], ['ENOENT'], ['0.here', '0'])).to.deep.include({broken: 1});
    expect(judgeRace(['ENOENT'], ['ENOENT'], ['0.there'])).to.deep.include({broken: 0, unheard: 1});
    expect(judgeRace([''], ['ENOENT'], ['0.here', '1.here'])).to.deep.include({broken: 0, once: 1, wins: {here: 1}});
  });
});

describe('a rename over a directory that is not empty', () => {
  const dir = useTempDir();

  it('is refused by this file system', async () => {
    expect(await tryFullDirectory(dir())).to.deep.equal({errno: 'ENOTEMPTY', entryIsLeft: true});
  });

  it('is found out where it replaces', async () => {
    const replacing: Rename = async (from, to) => {
      await rm(to, {recursive: true});
      await rename(from, to);
    };
    expect(await tryFullDirectory(dir(), replacing)).to.deep.equal({errno: null, entryIsLeft: false});
  });

  it('is found out where it merges', async () => {
    await mkdir(join(dir(), 'x'));
    const merging: Rename = (from, to) => cp(from, to, {recursive: true});
    expect(await tryFullDirectory(join(dir(), 'x'), merging)).to.deep.equal({errno: null, entryIsLeft: true});
  });
});

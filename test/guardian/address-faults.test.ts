// Floating addresses where the system starts no process any more: a run with them still ends, and its end is told.
import {execFileSync} from 'node:child_process';
import {closeSync, openSync} from 'node:fs';
import {expect} from 'chai';
import {AddressHolder} from '../../lib/guardian/address-holder.ts';
import type {FloatingAddress} from '../../lib/guardian/address.ts';
import {runAround, type AroundContext} from '../../lib/guardian/around-run.ts';
import {bootNow} from '../../lib/guardian/clock.ts';
import {FloatingAddresses} from '../../lib/guardian/floating-addresses.ts';
import {startNothing} from '../../lib/guardian/run.ts';
import {runTool} from '../../lib/guardian/tool.ts';
import {eventually} from '../support/eventually.ts';
import {eventsInto} from './run-support.ts';

/** Of a network for documentation: no host has it. */
const NOWHERE: FloatingAddress = {address: '192.0.2.10', prefixLength: 24, interface: 'nowhere0'};
/** Makes a command line longer than the system takes, which spawn throws. */
const ENDLESS: FloatingAddress = {...NOWHERE, interface: 'x'.repeat(1 << 20)};
const DESCRIPTORS = 256;

describe('floating addresses', () => {
  let words: string[];
  const ended = (because: string): void => void words.push(`ended: ${because}`);
  const release: (() => void)[] = [];

  before(async function () {
    for (const tool of [
      ['ip', '-V'],
      ['prlimit', '--version'],
    ]) {
      const {ok, because} = await runTool(tool, 5_000);
      if (ok) continue;
      console.log(`      SKIPPED: ${because}; scripts/install-test-tools.sh installs it`);
      this.skip();
    }
  });
  beforeEach(() => {
    words = [];
  });
  afterEach(() => {
    for (const each of release.splice(0).reverse()) each();
  });

  /** Uses up every descriptor that this process may have, until `release`. */
  function exhaustDescriptors(): void {
    const limits = (soft: string): Buffer => execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${soft}:`]);
    const [before = ''] = execFileSync('prlimit', ['--pid', String(process.pid), '--nofile', '--output=SOFT', '--noheadings'], {
      encoding: 'utf8',
    })
      .trim()
      .split('\n');
    limits(String(DESCRIPTORS));
    release.push(() => limits(before));
    const open: number[] = [];
    release.push(() => {
      for (const each of open.splice(0)) closeSync(each);
    });
    try {
      while (open.length < DESCRIPTORS) open.push(openSync('/dev/null', 'r'));
    } catch (error) {
      expect(String(error)).to.contain('EMFILE');
    }
  }
  const freeDescriptors = (): void => release.pop()?.();

  describe('whose holder the system refuses to start', () => {
    for (const [title, address, code, prepare] of [
      ['by throwing', ENDLESS, 'E2BIG', () => undefined],
      ['for want of descriptors', NOWHERE, 'EMFILE', exhaustDescriptors],
    ] as const) {
      it(`${title}: say so, and can be released`, async () => {
        prepare();
        const holder = new AddressHolder([address], ended);
        expect(await holder.put(60_000))
          .to.contain('could not be started: ')
          .and.to.contain(code);
        expect(words).to.have.length(1);
        expect(await holder.put(60_000)).to.contain(code);
        await holder.release(60_000);
      });
    }
  });

  it('are taken down at last, when that could not even be tried at first', async () => {
    const addresses = new FloatingAddresses([NOWHERE], {note: (text) => words.push(text), lost: ended});
    exhaustDescriptors();
    expect(await addresses.raise()).to.contain('EMFILE');
    let isDown = false;
    const down = addresses.lower().then(() => (isDown = true));
    await eventually(() => words.some((word) => word.includes('the run is not over before its address is down')));
    expect(isDown).to.equal(false);
    freeDescriptors();
    await down;
  });

  it('that cannot be put up because that throws end the run, which is gone then', async () => {
    const context: AroundContext = {
      leaseEnd: bootNow,
      safetyMarginMs: 500,
      stopTimeoutMs: 60_000,
      note: () => undefined,
      refused: (because) => words.push(`refused ${because}`),
    };
    const events = eventsInto(words, () => true);
    const run = runAround({addresses: [ENDLESS], watchdog: undefined}, context, events, startNothing);
    await eventually(() => words.length > 0);
    expect(words.join()).to.contain('ended could not be started: ').and.to.contain('E2BIG');
    run.term();
    await eventually(() => words.includes('gone true'));
  });
});

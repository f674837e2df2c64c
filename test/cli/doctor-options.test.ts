// The options of doctor as they are typed, right and wrong.
import {expect} from 'chai';
import {placeOf, roundsOf, urlOf} from '../../lib/cli/doctor-options.ts';
import {isHaError} from '../../lib/errors.ts';
import type {Call} from '../../lib/cli/command.ts';

const call = (argv: Record<string, unknown>): Call => ({argv, service: undefined});
const refuses = (read: () => unknown): void => {
  expect(read)
    .to.throw()
    .that.satisfies((error: unknown) => isHaError(error, 'config.invalid'));
};

describe('the options of doctor', () => {
  it('--rounds', () => {
    expect(roundsOf(call({}))).to.equal(200);
    expect(roundsOf(call({rounds: '17'}))).to.equal(17);
    for (const rounds of ['0', '-1', '1.5', 'many', '4001', '', '1e3']) refuses(() => roundsOf(call({rounds})));
  });

  it('--with', () => {
    expect(urlOf(call({}))).to.equal(undefined);
    expect(urlOf(call({with: 'http://10.0.0.12:7000/token'}))).to.equal('http://10.0.0.12:7000/token');
    for (const url of ['', 'host2', 'https://host2/', 'file:///etc', 'http://user:secret@host2/'])
      refuses(() => urlOf(call({with: url})));
  });

  it('--serve', () => {
    expect(placeOf(call({}))).to.equal(undefined);
    for (const [serve, address, port] of [
      ['10.0.0.12', '10.0.0.12', 0],
      ['10.0.0.12:7000', '10.0.0.12', 7_000],
      ['host2', 'host2', 0],
      ['[fd00::12]', 'fd00::12', 0],
      ['[fd00::12]:7000', 'fd00::12', 7_000],
    ] as const) {
      expect(placeOf(call({serve})), serve).to.deep.equal({address, port});
    }
    for (const serve of ['', ':7000', '10.0.0.12:', '10.0.0.12:70000', 'fd00::12', '[host2]:1'])
      refuses(() => placeOf(call({serve})));
    refuses(() => placeOf(call({serve: '10.0.0.12', with: 'http://10.0.0.11:7000/token'})));
  });
});

// Which names of systemd units can be a service.
import {expect} from 'chai';
import {isServiceUnit, unitName} from '../../lib/config/unit-name.ts';

describe('the name of a service unit', () => {
  for (const name of ['shop', 'shop.service', 'shop@1', 'postgresql@15-main.service', 'a\\x2db.service', 'x.y'])
    it(`may be ${name}`, () => expect(isServiceUnit(name)).to.equal(true));
  for (const name of ['', '-x', 'shop@.service', 'shop@', 'shop.timer', 'shop.socket', 'a b', 'a/b', 'a\n', 'a'.repeat(260)])
    it(`is not ${JSON.stringify(name.slice(0, 20))}`, () => expect(isServiceUnit(name)).to.equal(false));
  it('gets its suffix', () => {
    expect(['shop', 'shop.service', 'shop@1'].map(unitName)).to.deep.equal(['shop.service', 'shop.service', 'shop@1.service']);
  });
});

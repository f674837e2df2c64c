// Messages that tell people what to type name the store that is meant.
import {expect} from 'chai';
import {optionsFor} from '../../lib/store/paths.ts';

describe('the options that name a store', () => {
  it('have the app where it is not the one that is taken anyway', () => {
    expect(optionsFor({persistenceDir: '/mnt/ha', app: 'default'})).to.equal('--persistenceDir /mnt/ha');
    expect(optionsFor({persistenceDir: '/mnt/ha', app: 'votingApp'})).to.equal('--persistenceDir /mnt/ha --app votingApp');
  });
});

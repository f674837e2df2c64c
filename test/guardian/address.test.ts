// Floating addresses as text: how they are written, found in what ip prints, and announced.
import {expect} from 'chai';
import {
  announcements,
  canonicalAddress,
  describeAddress,
  interfaceNames,
  placesIn,
  removeAddresses,
  toolsFor,
  type FloatingAddress,
} from '../../lib/guardian/address.ts';
import {unmetNeeds} from '../../lib/guardian/address-needs.ts';
import {runTool} from '../../lib/guardian/tool.ts';

const V4: FloatingAddress = {address: '192.0.2.10', prefixLength: 24, interface: 'eth0'};
const V6: FloatingAddress = {address: '2001:db8::10', prefixLength: 64, interface: 'eth0'};
const NOWHERE: FloatingAddress = {...V4, interface: 'nowhere0'};

const LISTED = `2: eth0    inet 192.0.2.1/24 scope global eth0\\       valid_lft forever preferred_lft forever
2: eth0    inet 192.0.2.10/32 scope global eth0\\       valid_lft forever preferred_lft forever
2: eth0    inet 192.0.2.10/24 brd 192.0.2.255 scope global secondary eth0\\       valid_lft forever preferred_lft forever
2: eth0    inet 192.0.2.100/24 scope global secondary eth0\\       valid_lft forever preferred_lft forever
2: eth0    inet6 2001:db8::10/64 scope global nodad deprecated \\       valid_lft forever preferred_lft 0sec
2: eth0    inet6 fe80::1/64 scope link \\       valid_lft forever preferred_lft forever
`;

describe('a floating address', () => {
  it('has one spelling', () => {
    expect(canonicalAddress('2001:DB8:0:0:0:0:0:10')).to.equal('2001:db8::10');
    expect(canonicalAddress('192.0.2.10')).to.equal('192.0.2.10');
    expect(describeAddress(V6)).to.equal('2001:db8::10/64 on eth0');
  });

  it('is found with whatever prefix it has, and no other address is taken for it', () => {
    const prefixesOf = (floating: FloatingAddress): string[] => placesIn(LISTED, floating).map(({prefix}) => prefix);
    expect(prefixesOf(V4)).to.deep.equal(['192.0.2.10/32', '192.0.2.10/24']);
    expect(prefixesOf(V6)).to.deep.equal(['2001:db8::10/64']);
    expect(prefixesOf({...V4, address: '192.0.2.11'})).to.deep.equal([]);
  });

  it('is found on an interface that has another name by now, but not on the loopback interface', () => {
    const other = LISTED.replaceAll('eth0', 'lan0');
    expect(placesIn(other, V6)).to.deep.equal([{interface: 'lan0', prefix: '2001:db8::10/64'}]);
    const loopback = LISTED.replaceAll('eth0', 'lo');
    expect(placesIn(loopback, V4)).to.deep.equal([]);
    expect(placesIn(loopback, {...V4, interface: 'lo'})).to.have.length(2);
  });

  it('is announced in both forms of gratuitous ARP, or as an unsolicited neighbour advertisement', () => {
    expect(announcements(V4).map((argv) => argv.join(' '))).to.deep.equal([
      'arping -U -c 1 -w 1 -I eth0 192.0.2.10',
      'arping -A -c 1 -w 1 -I eth0 192.0.2.10',
    ]);
    expect(announcements(V6).map((argv) => argv.join(' '))).to.deep.equal(['ndptool -t na -U -i eth0 -T 2001:db8::10 send']);
  });

  it('needs the programs of its family alone', () => {
    expect(toolsFor([V4])).to.deep.equal(['ip', 'arping']);
    expect(toolsFor([V6])).to.deep.equal(['ip', 'ndptool']);
    expect(toolsFor([V4, V6, {...V4, address: '192.0.2.11'}])).to.deep.equal(['ip', 'arping', 'ndptool']);
  });

  it('is gone with its interface', async function () {
    expect(interfaceNames()).to.include('lo');
    const {ok, because} = await runTool(['ip', '-V'], 5_000);
    if (!ok) {
      console.log(`      SKIPPED: ${because}; scripts/install-test-tools.sh installs it`);
      this.skip();
    }
    expect(await removeAddresses([NOWHERE, {...V6, interface: 'nowhere0'}])).to.equal(undefined);
  });

  it('needs an interface that is there, and nothing where none is wanted', async () => {
    const needs = await unmetNeeds([NOWHERE]);
    expect(needs.map(({because}) => because).join()).to.contain('there is no interface nowhere0 (there are');
    expect(await unmetNeeds([])).to.deep.equal([]);
  });
});

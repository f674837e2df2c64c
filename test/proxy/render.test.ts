// What templates make of a situation; that NGINX and HAProxy accept it is for the end-to-end tests.
import {expect} from 'chai';
import {checkTemplate, fieldsOf, render} from '../../lib/proxy/render.ts';
import type {Situation} from '../../lib/proxy/situation.ts';
import {TEMPLATE_NAMES} from '../../lib/config/proxy-options.ts';
import {builtInTemplate, UNAVAILABLE_ANSWER, UNAVAILABLE_PAGE} from '../../lib/proxy/templates.ts';

const facts = {app: 'my-shop.1', listen: '*:80', waitingRoom: {host: '127.0.0.1', port: 8_099}};
const nodes = ['n1', 'n2'].map((nodeId, index) => ({
  nodeId,
  state: 'STANDBY',
  alive: true,
  eligible: true,
  uri: `http://${nodeId}:8081/agent/`,
  serviceUri: `http://10.0.0.1${index + 1}:8080`,
}));
const shared = {nodes, epoch: 3, because: '', blind: false};
const nobody: Situation = {...shared, kind: 'nobody'};
const changing: Situation = {...shared, kind: 'changing'};
const master: Situation = {...shared, kind: 'master', masterId: 'n2', address: {scheme: 'http', host: '10.0.0.12', port: 8_080}};

describe('a template', () => {
  it('gets the nodes, the master and what they are called in configurations', () => {
    const fields = fieldsOf(master, facts);
    expect(fields).to.include({app: 'my-shop.1', name: 'my_shop_1', epoch: 3, scheme: 'http', mode: 'http', backend: true});
    expect(fields.master).to.deep.include({
      nodeId: 'n2',
      address: '10.0.0.12:8080',
      host: '10.0.0.12',
      port: 8_080,
      isMaster: true,
    });
    expect(fields.nodes[0]?.agent).to.deep.equal({scheme: 'http', host: 'n1', port: 8_081, address: 'n1:8081'});
    expect(fieldsOf(changing, facts)).to.include({master: undefined, backend: true});
    expect(fieldsOf(nobody, facts)).to.include({master: undefined, waiting: undefined, backend: false});
    expect(fieldsOf(changing, {...facts, waitingRoom: undefined})).to.include({backend: false});
  });

  it('writes IPv6 in brackets, and says how the service speaks', () => {
    const situation = (serviceUri: string): Situation => ({...changing, nodes: [{...nodes[0]!, serviceUri}]});
    const fields = fieldsOf(situation('https://[2001:db8::1]'), facts);
    expect(fields).to.include({scheme: 'https', tls: true, tcp: false});
    expect(fields.nodes[0]).to.include({host: '2001:db8::1', port: 443, address: '[2001:db8::1]:443'});
    expect(fieldsOf(situation('tcp://db:5432'), facts)).to.include({tcp: true, mode: 'tcp'});
  });

  it('is rendered as it stands, not as HTML, and refused when it is broken', () => {
    expect(
      render('{{#nodes}}{{nodeId}}={{address}}{{#isMaster}}*{{/isMaster}};{{/nodes}} {{listen}} "&"', master, facts),
    ).to.equal('n1=10.0.0.11:8080;n2=10.0.0.12:8080*; *:80 "&"');
    expect(render('{{page}}', master, facts)).to.equal(UNAVAILABLE_PAGE);
    expect(() => checkTemplate('{{#nodes}}')).to.throw(/nodes/);
  });

  it('cannot be told to write what an attacker would like: an address is a host and a port', () => {
    for (const serviceUri of [
      'http://a;}\nserver{:1',
      'http://a:1/;',
      'http://$x:1',
      'http://a b:1',
      'http://:1',
      `http://${'a'.repeat(300)}:1`,
    ]) {
      const [bad] = fieldsOf({...nobody, nodes: [{...nodes[0]!, serviceUri}]}, facts).nodes;
      expect(bad, serviceUri).not.to.have.property('address');
    }
  });

  for (const name of TEMPLATE_NAMES) {
    it(`comes for ${name}: the master before the waiting room, the waiting room alone, the page alone`, () => {
      const text = (situation: Situation): string => render(builtInTemplate(name) ?? '', situation, facts);
      const open = text(master);
      expect(open.indexOf('10.0.0.12:8080')).to.be.within(0, open.indexOf('127.0.0.1:8099'));
      expect(open).not.to.contain('10.0.0.11');
      expect(text(changing)).to.contain('127.0.0.1:8099').and.not.to.contain('10.0.0.1');
      expect(text(nobody)).to.contain(UNAVAILABLE_PAGE).and.not.to.contain('127.0.0.1');
      for (const situation of [master, changing, nobody]) expect(text(situation)).not.to.contain('{{');
    });
  }

  it('holds a page that bears any quoting, and an answer of the right length', () => {
    expect(UNAVAILABLE_PAGE).not.to.match(/["'\\$\n]/);
    const [head = '', body = ''] = UNAVAILABLE_ANSWER.split('\r\n\r\n');
    expect(/Content-Length: (\d+)/.exec(head)?.[1]).to.equal(String(Buffer.byteLength(body)));
  });
});

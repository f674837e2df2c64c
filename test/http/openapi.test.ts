// The hand-kept document and the routes say the same.
import {expect} from 'chai';
import {allRoutes} from '../../lib/http/app.ts';
import {OPENAPI} from '../../lib/http/openapi.ts';
import {harness} from './harness.ts';

/** Every object of the document, the document included. */
function objectsOf(value: unknown): object[] {
  if (typeof value !== 'object' || value === null) return [];
  return [value, ...Object.values(value).flatMap(objectsOf)];
}

describe('the OpenAPI document', () => {
  const documented = Object.entries<object>(OPENAPI.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]: [string, unknown]) => ({path, method, operation})),
  );

  it('has every route, and no other', () => {
    const served = allRoutes().map(({method, path}) => `${method.toLowerCase()} ${path}`);
    expect(documented.map(({method, path}) => `${method} ${path}`)).to.have.members(served);
    expect(new Set(served).size).to.equal(served.length);
  });

  it('says of exactly the routes for machines that they need no password', () => {
    const open = documented.filter(
      ({operation}) => typeof operation === 'object' && operation !== null && 'security' in operation,
    );
    const routes = allRoutes().filter(({access}) => access === 'machine' || access === 'nudge');
    expect(open.map(({method, path}) => `${method} ${path}`)).to.have.members(
      routes.map(({method, path}) => `${method.toLowerCase()} ${path}`),
    );
  });

  it('refers only to what it has', () => {
    const refs = objectsOf(OPENAPI).flatMap((value) => ('$ref' in value ? [String(value.$ref)] : []));
    expect(refs.length).to.be.greaterThan(20);
    for (const ref of refs) {
      const [kind = '', name = ''] = ref.replace('#/components/', '').split('/');
      expect(OPENAPI.components, ref).to.have.nested.property(`${kind}.${name}`);
    }
  });

  it('is served, and names every field of the summary that is served', async () => {
    const {ask} = harness();
    expect(await (await ask('/openapi.json')).json()).to.have.property('openapi', '3.1.0');
    for (const [path, schema] of [
      ['/v1/server/ha/states', 'HighAvailabilitySummary'],
      ['/v1/server/up/extended', 'ExtendedUp'],
      ['/v1/server/ha/metrics', 'Metrics'],
      ['/v1/server/version', 'Version'],
      ['/master', 'Role'],
    ] as const) {
      const answer: object = {...((await (await ask(path)).json()) as object)};
      const {required}: {required?: readonly string[]} = OPENAPI.components.schemas[schema];
      expect(required, path).to.have.members(Object.keys(answer));
    }
  });
});

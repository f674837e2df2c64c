// From a situation to the text of a configuration. What comes from the cluster is checked before: names, hosts and ports, no free text.
import mustache from 'mustache';
import {parseServiceUri, type ServiceAddress} from '../config/service-uri.ts';
import type {SeenNode, Situation} from './situation.ts';
import {UNAVAILABLE_PAGE} from './templates.ts';

export interface RenderFacts {
  readonly app: string;
  /** Where the proxy listens, as it wants it said. */
  readonly listen: string;
  /** The waiting room; undefined: there is none. */
  readonly waitingRoom: {readonly host: string; readonly port: number} | undefined;
}

/** An address in the forms that configurations want. */
interface Place {
  readonly host: string;
  readonly port: number;
  /** `host:port`, an IPv6 address in brackets. */
  readonly address: string;
}

interface NodeFields extends Partial<Place> {
  readonly nodeId: string;
  readonly state: string;
  readonly alive: boolean;
  readonly isMaster: boolean;
  readonly scheme: string | undefined;
  /** Of its agent, for health checks. */
  readonly agent: (Place & {readonly scheme: string}) | undefined;
}

/** Everything that a template may use. */
export interface TemplateFields {
  readonly app: string;
  /** The same with nothing but letters, digits and _. */
  readonly name: string;
  readonly epoch: number;
  readonly listen: string;
  readonly page: string;
  readonly master: NodeFields | undefined;
  readonly nodes: readonly NodeFields[];
  /** The waiting room, while there is a master or the next one is waited for. */
  readonly waiting: Place | undefined;
  /** Whether there is anything to pass requests to. */
  readonly backend: boolean;
  readonly scheme: string;
  readonly tls: boolean;
  readonly tcp: boolean;
  readonly mode: 'tcp' | 'http';
}

/** @throws Error where the template cannot be parsed. */
export function checkTemplate(template: string): void {
  mustache.parse(template);
}

export function render(template: string, situation: Situation, facts: RenderFacts): string {
  // Configurations are not HTML.
  return mustache.render(template, fieldsOf(situation, facts), {}, {escape: String});
}

export function fieldsOf(situation: Situation, {app, listen, waitingRoom}: RenderFacts): TemplateFields {
  const nodes = situation.nodes.map((node) => nodeFields(node, situation.kind === 'master' ? situation.masterId : undefined));
  const master = nodes.find(({isMaster}) => isMaster);
  const waiting = waitingRoom && situation.kind !== 'nobody' ? placeOf(waitingRoom) : undefined;
  // Without a master, what the nodes publish says how the service will speak.
  const scheme = master?.scheme ?? nodes.find((node) => node.scheme !== undefined)?.scheme ?? 'http';
  const tcp = scheme === 'tcp';
  return {
    app,
    name: app.replace(/[^A-Za-z0-9_]/g, '_'),
    epoch: situation.epoch,
    listen,
    page: UNAVAILABLE_PAGE,
    master,
    nodes,
    waiting,
    backend: master !== undefined || waiting !== undefined,
    scheme,
    tls: scheme === 'https',
    tcp,
    mode: tcp ? 'tcp' : 'http',
  };
}

function nodeFields(node: SeenNode, masterId: string | undefined): NodeFields {
  const service = node.serviceUri === undefined ? undefined : parseServiceUri(node.serviceUri);
  const agent = node.uri === undefined ? undefined : parseServiceUri(rootOf(node.uri));
  return {
    nodeId: node.nodeId,
    state: node.state,
    alive: node.alive,
    isMaster: node.nodeId === masterId,
    scheme: service?.scheme,
    ...(service && placeOf(service)),
    agent: agent && {...placeOf(agent), scheme: agent.scheme},
  };
}

/** The URL of an agent may have a path. */
const rootOf = (uri: string): string => (URL.canParse(uri) ? new URL(uri).origin : '');

const placeOf = ({host, port}: Pick<ServiceAddress, 'host' | 'port'>): Place => ({
  host,
  port,
  address: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
});

// Nodes on loopback that answer as agents do and say what a test wants, each with a service beside it.
import http from 'node:http';
import type {AddressInfo} from 'node:net';
import {createHttpServer, type HttpServer} from '../../lib/http/server.ts';
import type {NodeState} from '../../lib/protocol/heartbeat.ts';
import {fakeAgent, node as nodeStatus, type FakeAgent} from '../http/fake-agent.ts';

export interface FakeNode {
  readonly id: string;
  readonly agent: FakeAgent;
  readonly url: string;
  readonly serviceUri: string;
  /** Every request that its service has seen: "POST /orders". */
  readonly served: string[];
  /** How its service answers: with its id, if not said. */
  answer: http.RequestListener;
  /** The agent hangs up, and listens no longer. */
  closeAgent(): Promise<void>;
  closeService(): Promise<void>;
}

interface Reign {
  readonly masterId: string | undefined;
  readonly epoch: number;
}

export class FakeCluster {
  readonly nodes: FakeNode[] = [];
  reign: Reign = {masterId: undefined, epoch: 0};
  readonly storeId: string;

  constructor(storeId = '5t0re1d0') {
    this.storeId = storeId;
  }

  async add(...ids: readonly string[]): Promise<readonly FakeNode[]> {
    const added = await Promise.all(ids.map((id) => openNode(id)));
    this.nodes.push(...added);
    this.tell();
    return added;
  }

  /** The node and its record have gone. */
  async remove(node: FakeNode): Promise<void> {
    this.nodes.splice(this.nodes.indexOf(node), 1);
    await close(node);
    this.tell();
  }

  /** All nodes know at once who is master. */
  elect(master: FakeNode | undefined, epoch: number): void {
    this.reign = {masterId: master?.id, epoch};
    this.tell();
    for (const {agent} of this.nodes) agent.emit('leader', 'a test says so');
  }

  /** What `teller` says, now or of the reign before. */
  tell(tellers: readonly FakeNode[] = this.nodes, {masterId, epoch} = this.reign): void {
    const stateOf = (id: string): NodeState => (id === masterId ? 'MASTER' : 'STANDBY');
    for (const teller of tellers) {
      teller.agent.set({
        nodeId: teller.id,
        uri: teller.url,
        storeId: this.storeId,
        state: stateOf(teller.id),
        masterId: masterId ?? null,
        epoch,
        leaseLeftMs: teller.id === masterId ? 30_000 : null,
        nodes: this.nodes.map(({id, url, serviceUri}) => nodeStatus(id, stateOf(id), {uri: url, serviceUri, epoch})),
      });
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map(close));
  }
}

const close = async (node: FakeNode): Promise<unknown> => Promise.all([node.closeAgent(), node.closeService()]);

async function openNode(id: string): Promise<FakeNode> {
  const agent = fakeAgent('STANDBY');
  const server: HttpServer = await createHttpServer({port: agent, log: {warn: () => undefined, error: () => undefined}});
  const {url} = await server.listen({bindAddress: '127.0.0.1', port: 0, portAskedFor: false});
  const served: string[] = [];
  const service = http.createServer((request, response) => {
    served.push(`${request.method} ${request.url}`);
    node.answer(request, response);
  });
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  const serviceUri = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
  let agentCloses: Promise<void> | undefined;
  let serviceCloses: Promise<void> | undefined;
  const node: FakeNode = {
    id,
    agent,
    url,
    serviceUri,
    served,
    answer: (_request, response) => response.end(id),
    closeAgent: () => (agentCloses ??= server.close()),
    closeService: () =>
      (serviceCloses ??= new Promise((resolve) => {
        service.close(() => resolve());
        service.closeAllConnections();
      })),
  };
  return node;
}

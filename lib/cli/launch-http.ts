// The HTTP server of a node, and what to call it.
import type {AgentPort} from '../agent/status.ts';
import type {Config} from '../config/config.ts';
import {createHttpServer} from '../http/server.ts';
import type {RootLog} from '../log/log.ts';

export interface Served {
  /** As this host reaches it. */
  readonly url: string;
  /** As others are told. */
  readonly uri: string;
  reload(): Promise<void>;
  close(): Promise<void>;
}

/** @throws HaError http.cannotListen, http.badFile */
export async function serveHttp(config: Config, port: AgentPort, log: RootLog): Promise<Served> {
  const {http} = config;
  const {tlsCert: cert, tlsKey: key, tlsCa: ca, usersFile, insecure} = http;
  const tls = cert === undefined || key === undefined ? undefined : {cert, key, ca};
  const server = await createHttpServer({port, log, usersFile, tls, insecure});
  const {url} = await server.listen({bindAddress: http.bindAddress, port: http.port, portAskedFor: http.portAsked});
  return {url, uri: http.uri ?? url, reload: () => server.reload(), close: () => server.close()};
}

// The HTTP server of an agent: listens where it may, bounds what clients can occupy, and ends promptly.
import {getRequestListener} from '@hono/node-server';
import http from 'node:http';
import https from 'node:https';
import type {AddressInfo, Socket} from 'node:net';
import os from 'node:os';
import {TLSSocket} from 'node:tls';
import type {AgentPort} from '../agent/status.ts';
import {HaError, reasonOf, systemCode} from '../errors.ts';
import type {Log} from '../log/log.ts';
import {createApp, type App} from './app.ts';
import {createCredentials} from './credentials.ts';
import {createEventHub} from './events.ts';
import {createGuard, refuseExposure} from './guard.ts';
import type {Peer} from './route.ts';
import {readTls, type TlsFiles} from './tls.ts';
import {openUsersFile, type UsersFile} from './users-file.ts';

export interface ServerOptions {
  readonly port: AgentPort;
  readonly log: Pick<Log, 'warn' | 'error'>;
  /** Who may do what; undefined: everybody on this host may do everything. */
  readonly usersFile?: string | undefined;
  readonly tls?: TlsFiles | undefined;
  /** Allows to listen beyond loopback with neither users nor TLS. */
  readonly insecure?: boolean | undefined;
  readonly limits?: Partial<ConnectionLimits> | undefined;
}

export interface ConnectionLimits {
  readonly connections: number;
  /** How long a client may take for its headers, ms; an idle connection is one that takes for ever. */
  readonly headersMs: number;
  /** How long it may take for the whole request, ms. */
  readonly requestMs: number;
  /** How long a request that is being answered may delay `close`, ms. */
  readonly closeMs: number;
}

export interface ListenOptions {
  /** An IP address or a host name. */
  readonly bindAddress: string;
  /** 0 to 65535; 0: any that is free. */
  readonly port: number;
  /** The operator named the port: another one will not do. */
  readonly portAskedFor: boolean;
}

export interface Listening {
  readonly address: string;
  readonly port: number;
  /** As this host would call it, with a slash at its end; for a wildcard address with this host's name. */
  readonly url: string;
}

export interface HttpServer {
  /**
   * Takes the next free port if this one is taken and was not asked for.
   * @throws HaError 'config.invalid' if others could command this node, 'http.cannotListen' otherwise.
   */
  listen(options: ListenOptions): Promise<Listening>;
  /** Reads users, certificate and key again. @throws HaError 'http.badFile'; what was read before stays in force. */
  reload(): Promise<void>;
  /** Ends every event stream and connection; resolves when the last is gone. */
  close(): Promise<void>;
}

const LIMITS: ConnectionLimits = {connections: 256, headersMs: 10_000, requestMs: 30_000, closeMs: 500};
/** How many ports are tried in all. */
const PORTS_TRIED = 100;
const KEEP_ALIVE_MS = 15_000;
/** Stands in for the Host header, which HTTP/1.0 does not have: HAProxy's health checks speak that. No page can be of this name. */
const NAMELESS = 'nameless.invalid';

/** @throws HaError 'http.badFile' */
export async function createHttpServer(options: ServerOptions): Promise<HttpServer> {
  const {port, log, insecure = false} = options;
  const complain = (error: unknown): void => log.warn(reasonOf(error), {keeping: 'the users as they were'});
  const users = options.usersFile === undefined ? undefined : await openUsersFile(options.usersFile, complain);
  const events = createEventHub(port);
  const credentials = users && createCredentials(users);
  const guard = createGuard({credentials, insecure, ownUri: () => port.status().uri});
  const app = createApp({port, events}, guard, log);
  const limits = {...LIMITS, ...options.limits};
  const server = await createServer(app, options.tls, limits);
  return {
    async listen(asked) {
      refuseExposure(asked.bindAddress, {users: users !== undefined, tls: options.tls !== undefined, insecure});
      const {address, port: bound} = await listen(server, asked);
      // A server that listens may still fail, at accepting for want of descriptors; that ends nothing.
      server.on('error', (error) => log.error('the HTTP server had an error', {reason: error.message}));
      return {address, port: bound, url: urlOf(options.tls ? 'https' : 'http', asked.bindAddress, bound)};
    },
    reload: () => reload(server, users, options.tls),
    async close() {
      events.close();
      await close(server, limits.closeMs);
    },
  };
}

async function createServer(app: App, tls: TlsFiles | undefined, limits: ConnectionLimits): Promise<http.Server | https.Server> {
  const listener = getRequestListener(
    (request, env) => app.fetch(request, {peer: peerOf(env.incoming.socket), hangUp: () => env.incoming.socket.destroy()}),
    {errorHandler: unreadable, hostname: NAMELESS},
  );
  const handle = (request: http.IncomingMessage, response: http.ServerResponse): void => void listener(request, response);
  const bounds = {
    headersTimeout: limits.headersMs,
    requestTimeout: Math.max(limits.requestMs, limits.headersMs),
    connectionsCheckingInterval: Math.min(5_000, limits.headersMs),
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  };
  const server = tls
    ? https.createServer({...bounds, ...(await readTls(tls)), handshakeTimeout: limits.headersMs}, handle)
    : http.createServer(bounds, handle);
  server.maxConnections = limits.connections;
  return server;
}

/** A request that is HTTP but has no URL that could be understood, such as one with a broken Host header. */
const unreadable = (error: unknown): Response =>
  Response.json({message: 'the request cannot be understood', details: reasonOf(error), error: 400}, {status: 400});

function peerOf(socket: Socket): Peer {
  const name = socket instanceof TLSSocket && socket.authorized ? socket.getPeerCertificate().subject.CN : undefined;
  return {address: socket.remoteAddress, certificateName: typeof name === 'string' ? name : undefined};
}

async function listen(server: http.Server, {bindAddress, port, portAskedFor}: ListenOptions): Promise<AddressInfo> {
  const last = portAskedFor || port === 0 ? port : Math.min(port + PORTS_TRIED - 1, 65_535);
  for (let candidate = port; ; candidate += 1) {
    try {
      return await listenOnce(server, bindAddress, candidate);
    } catch (error) {
      const taken = systemCode(error) === 'EADDRINUSE';
      if (taken && candidate < last) continue;
      throw cannotListen(error, bindAddress, port, taken && last > port ? `${port} to ${last}` : String(port));
    }
  }
}

function listenOnce(server: http.Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    const settled = (error?: Error): void => {
      server.off('error', settled).off('listening', settled);
      const address = server.address();
      if (error) reject(error);
      else if (address === null || typeof address === 'string') reject(new Error('the server listens on no port'));
      else resolve(address);
    };
    server.on('error', settled).on('listening', settled);
    server.listen({host, port, exclusive: true});
  });
}

function cannotListen(error: unknown, address: string, port: number, ports: string): HaError<'http.cannotListen'> {
  const taken = systemCode(error) === 'EADDRINUSE';
  const reason = taken ? 'another program listens there' : reasonOf(error);
  return new HaError(
    'http.cannotListen',
    {address, port, reason},
    {
      message: `cannot listen on ${address}, port ${ports}: ${reason}`,
      hint: taken ? 'end that program, or choose another --port' : 'choose another --bindAddress or --port',
      cause: error,
    },
  );
}

function urlOf(scheme: string, bindAddress: string, port: number): string {
  const wildcard = bindAddress === '0.0.0.0' || /^[0:]+$/.test(bindAddress);
  const host = wildcard ? os.hostname() : bindAddress;
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}/`;
}

async function reload(
  server: http.Server | https.Server,
  users: UsersFile | undefined,
  tls: TlsFiles | undefined,
): Promise<void> {
  await users?.reload();
  if (tls && server instanceof https.Server) server.setSecureContext(await readTls(tls));
}

/** Lets what is being answered finish for a moment, then cuts it off. */
async function close(server: http.Server, patienceMs: number): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const sweep = setInterval(() => server.closeIdleConnections(), 20);
  const cut = setTimeout(() => server.closeAllConnections(), patienceMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}

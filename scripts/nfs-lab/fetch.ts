// HTTP to what listens on a machine of the lab, over a connection that the keeper has made: the machine's network is not this process's.
import {request, type IncomingHttpHeaders} from 'node:http';
import type {Socket} from 'node:net';

export interface LabFetchOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs?: number;
}

export interface LabAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

const ANSWER_MS = 5_000;

export async function fetchFrom(connect: () => Promise<Socket>, path: string, options: LabFetchOptions): Promise<LabAnswer> {
  const {method = 'GET', headers = {}, body, timeoutMs = ANSWER_MS} = options;
  const socket = await connect();
  try {
    return await new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(timeoutMs);
      const call = request({path, method, headers, signal, createConnection: () => socket}, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece: string) => (text += piece));
        response.on('error', reject);
        response.on('end', () => resolve({status: response.statusCode ?? 0, headers: response.headers, text}));
      });
      call.on('error', reject);
      // It comes paused, so that nothing is lost before somebody listens.
      call.once('socket', (own) => own.resume());
      call.end(body);
    });
  } finally {
    socket.destroy();
  }
}

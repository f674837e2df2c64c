// Clients with a socket of their own: what a test must see of a connection, fetch would hide.
import http from 'node:http';
import net from 'node:net';

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export function ask(url: string, options: http.RequestOptions = {}, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, {agent: false, ...options}, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({status: response.statusCode ?? 0, headers: response.headers, body: text}));
      response.on('error', reject);
    });
    request.on('error', reject).end(body);
  });
}

/** A connection on which a test says what it likes. */
export interface RawConnection {
  readonly socket: net.Socket;
  readonly text: () => string;
  readonly isClosed: () => boolean;
}

export function connect(url: string, firstWords = ''): Promise<RawConnection> {
  const {hostname, port} = new URL(url);
  return new Promise((resolve, reject) => {
    let text = '';
    let closed = false;
    const socket = net.connect(Number(port), hostname, () => {
      socket.write(firstWords);
      resolve({socket, text: () => text, isClosed: () => closed});
    });
    socket.setEncoding('utf8').on('data', (part: string) => (text += part));
    socket.on('close', () => (closed = true)).on('error', reject);
  });
}

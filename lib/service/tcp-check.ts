// Whether a port accepts connections.
import net from 'node:net';
import type {Outcome, TcpQuestion} from './check.ts';

export function probeTcp({host, port, timeoutMs}: TcpQuestion, signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = net.connect({host, port, signal});
    const say = (ok: boolean, because: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ok, because: `${host} port ${port} ${because}`});
    };
    const timer = setTimeout(() => say(false, `did not accept a connection within ${timeoutMs} ms`), timeoutMs);
    socket.on('connect', () => say(true, 'accepts connections'));
    socket.on('error', (error) => say(false, `does not accept connections: ${error.message}`));
  });
}

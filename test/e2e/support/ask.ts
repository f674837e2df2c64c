// HTTP requests as a monitor makes them: one connection each unless it has one open, an answer within a time limit or an error.
import {request, type Agent} from 'node:http';

export interface Answer {
  readonly status: number;
  readonly text: string;
}

export interface AskOptions {
  readonly method?: string;
  readonly timeoutMs?: number;
  /** Keeps connections open. */
  readonly agent?: Agent;
}

export function ask(url: string, {method = 'GET', timeoutMs = 15_000, agent}: AskOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(url, {method, agent: agent ?? false, signal: AbortSignal.timeout(timeoutMs)}, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => resolve({status: response.statusCode ?? 0, text}));
    });
    call.on('error', reject);
    call.end();
  });
}

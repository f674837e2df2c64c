// Whether a URL answers with the status that is expected.
import http from 'node:http';
import https from 'node:https';
import type {HttpCheck, Outcome} from './check.ts';

/** The status line decides: the body is not waited for, and redirections are not followed. */
export function probeHttp({url, expect, timeoutMs}: HttpCheck, signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = {agent: false, rejectUnauthorized: false, signal} as const;
    const request = url.startsWith('https:') ? https.get(url, options) : http.get(url, options);
    const say = (ok: boolean, because: string): void => {
      clearTimeout(timer);
      request.destroy();
      resolve({ok, because: `${url} ${because}`});
    };
    const timer = setTimeout(() => say(false, `did not answer within ${timeoutMs} ms`), timeoutMs);
    request.on('error', (error) => say(false, `cannot be asked: ${error.message}`));
    request.on('response', ({statusCode = 0}) => {
      const fine = expect === undefined ? statusCode >= 200 && statusCode <= 399 : statusCode === expect;
      say(fine, fine ? `answered ${statusCode}` : `answered ${statusCode}, expected ${expect ?? '200 to 399'}`);
    });
  });
}

// Whether a URL answers with the status that is expected.
import {readFile} from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import type {HttpQuestion, Outcome} from './check.ts';

export async function probeHttp(question: HttpQuestion, signal: AbortSignal): Promise<Outcome> {
  if (question.ca === undefined) return ask(question, undefined, signal);
  let authorities: Buffer;
  try {
    // Read each time: certificates are renewed while agents run.
    authorities = await readFile(question.ca, {signal});
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return {ok: false, because: `${question.url} cannot be asked: its ca cannot be read: ${reason}`};
  }
  return ask(question, authorities, signal);
}

/** The status line decides: the body is not waited for, and redirections are not followed. */
function ask({url, expect, timeoutMs}: HttpQuestion, ca: Buffer | undefined, signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = {agent: false, signal} as const;
    const trust = ca === undefined ? {rejectUnauthorized: false} : {ca};
    const request = url.startsWith('https:') ? https.get(url, {...options, ...trust}) : http.get(url, options);
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

// What a node answers, wherever it runs: asked on this host, or over the network of a lab.
import {setTimeout as sleep} from 'node:timers/promises';
import type {SummaryView} from '../../../lib/http/views.ts';
import {eventually} from '../../support/eventually.ts';

/** A node as whoever asks it sees it. */
export interface Asked {
  readonly id: string;
  get(path: string, options?: {readonly timeoutMs?: number}): Promise<{readonly status: number; readonly text: string}>;
}

export interface Patience {
  readonly timeoutMs: number;
  /** Between two questions, ms; none if not given. */
  readonly pauseMs?: number;
}

/** What /v1/server/ha/states says: the whole view of this node. */
export async function stateOf(node: Asked): Promise<SummaryView> {
  const {status, text} = await node.get('/v1/server/ha/states');
  if (status !== 200) throw new Error(`${node.id} answers ${status}: ${text}`);
  return JSON.parse(text) as SummaryView;
}

/** Whether a proxy would send users here; who does not answer is no master. */
export const saysMaster = (node: Asked, options?: {readonly timeoutMs: number}): Promise<boolean> =>
  node.get('/master', options).then(
    ({status}) => status === 200,
    () => false,
  );

export async function untilState(node: Asked, state: string, {timeoutMs, pauseMs = 0}: Patience): Promise<SummaryView> {
  let seen = 'nothing';
  try {
    return await eventually(
      async () => {
        if (pauseMs > 0) await sleep(pauseMs);
        const view = await stateOf(node);
        seen = `${view.state}, because ${view.because}`;
        return view.state === state && view;
      },
      timeoutMs,
      `${node.id} is not ${state}`,
    );
  } catch (error) {
    throw new Error(`${node.id} should be ${state}, but is ${seen}`, {cause: error});
  }
}

/** The end of a log. */
export const lastLines = (text: string, lines: number): string => text.trimEnd().split('\n').slice(-lines).join('\n');

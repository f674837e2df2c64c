// Users behind a proxy, who never wait for the outcome of anything: what they ask while a test goes on, and what they get.
import {ask} from '../../e2e/support/ask.ts';

export interface Loss {
  readonly url: string;
  readonly what: string;
}

export interface Load {
  /** Requests that were answered by a service. */
  readonly answered: () => number;
  readonly losses: () => readonly Loss[];
  /** Node ids in the order in which they first answered. */
  readonly nodes: () => readonly string[];
  /** Resolves when the last request has been answered. */
  end(): Promise<void>;
}

const USERS = 3;
/** Longer than requests are held. */
const PATIENCE_MS = 15_000;
const PAUSE_MS = 5;

/** A few users per URL, one request after the other, each on a connection of its own: a reload closes those that are idle. */
export function putUnderLoad(...urls: readonly string[]): Load {
  const losses: Loss[] = [];
  const nodes: string[] = [];
  let answered = 0;
  let ending = false;

  async function use(url: string): Promise<void> {
    while (!ending) {
      const what = await ask(url, {timeoutMs: PATIENCE_MS}).then(
        ({status, text}) => (status === 200 ? note(text) : `${status}: ${text.slice(0, 80)}`),
        (error: unknown) => String(error),
      );
      if (what !== undefined) losses.push({url, what});
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  function note(text: string): undefined {
    const {node} = JSON.parse(text) as {node: string};
    if (!nodes.includes(node)) nodes.push(node);
    answered++;
  }

  const users = urls.flatMap((url) => Array.from({length: USERS}, () => use(url)));
  return {
    answered: () => answered,
    losses: () => losses,
    nodes: () => nodes,
    async end() {
      ending = true;
      await Promise.all(users);
    },
  };
}

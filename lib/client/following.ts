// Follows the nodes of a cluster over HTTP: asks each in its own pace, hears of changes at once, and learns who else there is.
import {reasonOf} from '../errors.ts';
import {isLoopback} from '../http/loopback.ts';
import {askNode} from './cluster-report.ts';
import {createHintChannel} from './hint-channel.ts';
import {judge, leaseEndOf, type Answer, type Master} from './present-master.ts';

export interface FollowingOptions {
  /** Where to begin; never dropped. */
  readonly urls: readonly string[];
  readonly authorization: string | undefined;
  /** Between two questions to a node that answers, while there is a master, ms. */
  readonly pollIntervalMs: number;
  /** How long a node may take to answer, ms. */
  readonly answerMs: number;
  readonly signal: AbortSignal;
  /** Who is master, or the list of nodes, is no longer what it was. It must not throw. */
  readonly onChange: () => void;
}

/** A node that is followed. */
interface Followed {
  readonly end: AbortController;
  /** A hint that came while the node was being asked counts for the pause that follows. */
  hinted: boolean;
  wake: () => void;
  named: Named | undefined;
  answer: Answer | undefined;
  fault: string | undefined;
  failures: number;
}

/** By what name another node told of this URL. */
interface Named {
  readonly nodeId: string;
  readonly storeId: string | undefined;
}

const NODES_MAX = 64;
/** Between two questions while there is no master, ms. */
const SEARCH_MS = 200;
/** From a hint to the question, ms. */
const HINTED_MS = 20;
/** The longest pause before a node that does not answer is asked again, while there is a master and while there is none, ms. */
const PAUSE_MAX_MS = 30_000;
const SEARCH_PAUSE_MAX_MS = 2_000;

/** Follows from the moment it is made until the signal aborts. */
export class Following {
  readonly #options: FollowingOptions;
  readonly #seeds: ReadonlySet<string>;
  readonly #followed = new Map<string, Followed>();
  #epoch = 0;
  #master: Master | undefined;
  #leaseEnd: NodeJS.Timeout | undefined;
  #told = '';

  constructor(options: FollowingOptions) {
    this.#options = options;
    this.#seeds = new Set(options.urls.map((url) => new URL(url).href));
    for (const url of this.#seeds) this.#follow(url);
    options.signal.addEventListener('abort', () => clearTimeout(this.#leaseEnd), {once: true});
  }

  get master(): Master | undefined {
    return this.#master;
  }

  /** The URLs of all agents that are followed. */
  get urls(): readonly string[] {
    return [...this.#followed.keys()];
  }

  /** Node by node, why there is no master. */
  get reasons(): readonly string[] {
    return [...this.#followed.values()].flatMap(({fault, answer}) => fault ?? wordsOf(answer, this.#epoch));
  }

  /** Something is wrong with what is known: all are asked again now. */
  hurry(): void {
    this.#followed.forEach(wakeUp);
  }

  /** An answer of another cluster, or of another node than the one that was named, is none. */
  #believed(): readonly Answer[] {
    return [...this.#followed.values()].flatMap(({answer, named}) => {
      if (!answer) return [];
      return this.#seeds.has(answer.url) || isNamed(answer, named) ? answer : [];
    });
  }

  #update(): void {
    const believed = this.#believed();
    const now = performance.now();
    const before = this.#master;
    const {epoch, master} = judge(believed, this.#epoch, now);
    this.#epoch = epoch;
    this.#master = master;
    // Those who pause as long as there is a master are asked who follows.
    if (before && !master) this.hurry();
    clearTimeout(this.#leaseEnd);
    const endsAt = master ? leaseEndOf(believed, master) : Infinity;
    if (endsAt !== Infinity) this.#leaseEnd = setTimeout(() => this.#update(), Math.max(1, endsAt - now + 1));
    this.#refreshList(believed);
    const words = JSON.stringify([master, this.urls]);
    if (words === this.#told) return;
    this.#told = words;
    this.#options.onChange();
  }

  /** Nodes come, and those that nobody tells of any longer go; while nobody answers, all are kept. */
  #refreshList(believed: readonly Answer[]): void {
    if (believed.length === 0) return;
    const named = new Map(believed.flatMap(namesIn));
    for (const [url, {end}] of this.#followed) {
      if (this.#seeds.has(url) || named.has(url)) continue;
      end.abort();
      this.#followed.delete(url);
    }
    for (const [url, name] of named) {
      this.#follow(url);
      const node = this.#followed.get(url);
      if (node) node.named = name;
    }
  }

  #follow(url: string): void {
    if (this.#followed.has(url) || this.#followed.size >= NODES_MAX) return;
    const end = new AbortController();
    const node: Followed = {
      end,
      hinted: false,
      wake: () => undefined,
      named: undefined,
      answer: undefined,
      fault: undefined,
      failures: 0,
    };
    this.#followed.set(url, node);
    const until = AbortSignal.any([this.#options.signal, end.signal]);
    createHintChannel({onHint: () => wakeUp(node), signal: until}).follow(url);
    void this.#askAgain(url, node, until);
  }

  async #askAgain(url: string, node: Followed, until: AbortSignal): Promise<void> {
    const {authorization, answerMs: timeoutMs} = this.#options;
    const ends = (): boolean => until.aborted;
    while (!ends()) {
      const askedAt = performance.now();
      node.hinted = false;
      try {
        const report = await askNode(url, {authorization, timeoutMs, signal: until});
        Object.assign(node, {answer: {url, report, askedAt}, fault: undefined, failures: 0} satisfies Partial<Followed>);
      } catch (error) {
        const fault = `${url}: ${reasonOf(causeOf(error))}`;
        Object.assign(node, {answer: undefined, fault, failures: node.failures + 1} satisfies Partial<Followed>);
      }
      if (ends()) return;
      this.#update();
      await pause(node, this.#pauseMs(node), until);
    }
  }

  /** A lease that is shorter than some pauses would seem to end in between. */
  #pauseMs({answer, failures}: Followed): number {
    const scatter = 0.75 + Math.random() / 2;
    const searching = this.#master === undefined;
    if (answer && searching) return SEARCH_MS * scatter;
    if (answer) return Math.min(this.#options.pollIntervalMs, answer.report.leaseTimeoutMs / 4);
    return Math.min(SEARCH_MS * 2 ** Math.min(failures, 10), searching ? SEARCH_PAUSE_MAX_MS : PAUSE_MAX_MS) * scatter;
  }
}

/** Ends early a moment after a hint, and at once when the signal aborts. */
function pause(node: Followed, ms: number, until: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      until.removeEventListener('abort', done);
      node.wake = () => undefined;
      resolve();
    };
    let timer = setTimeout(done, node.hinted ? HINTED_MS : ms);
    until.addEventListener('abort', done, {once: true});
    node.wake = () => {
      clearTimeout(timer);
      timer = setTimeout(done, HINTED_MS);
    };
  });
}

/** Hints may come faster than answers: the first one of a pause counts. */
function wakeUp(node: Followed): void {
  if (node.hinted) return;
  node.hinted = true;
  node.wake();
}

const isNamed = ({report}: Answer, named: Named | undefined): boolean =>
  named?.nodeId === report.ownId && named.storeId === report.storeId;

/** Another host's loopback address would be this host's own here. */
function namesIn({url, report}: Answer): readonly (readonly [url: string, named: Named])[] {
  const local = isLocal(url);
  return report.nodes.flatMap(({nodeId, uri}) => {
    if (uri === undefined || (isLocal(uri) && !local)) return [];
    return [[new URL(uri).href, {nodeId, storeId: report.storeId}] as const];
  });
}

const isLocal = (url: string): boolean => isLoopback(new URL(url).hostname.replace(/^\[|\]$/g, ''));

const causeOf = (error: unknown): unknown =>
  error instanceof Error && error.cause instanceof Error && error.cause.message !== '' ? error.cause : error;

function wordsOf(answer: Answer | undefined, epoch: number): readonly string[] {
  if (!answer) return [];
  const {report} = answer;
  const own = report.nodes.find(({nodeId}) => nodeId === report.ownId)?.state ?? 'there';
  const old = report.epoch < epoch ? `, but epoch ${epoch} has been seen: its word is too old` : '';
  return [`${report.ownId} is ${own} under epoch ${report.epoch}${old}`];
}

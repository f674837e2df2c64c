// Virtual time: what happens next, in the order of its instant, and of its asking where two instants are the same.

export interface Timer {
  readonly at: number;
  readonly order: number;
  /** Undefined once it has run or was cancelled. */
  run: (() => void) | undefined;
}

/** True time in ms since the world began. Nodes never see it: each has a clock of its own. */
export class Scheduler {
  now = 0;
  steps = 0;
  #order = 0;
  readonly #heap: Timer[] = [];

  at(at: number, run: () => void): Timer {
    const timer: Timer = {at: Math.max(at, this.now), order: this.#order++, run};
    this.#push(timer);
    return timer;
  }

  after(delayMs: number, run: () => void): Timer {
    return this.at(this.now + delayMs, run);
  }

  cancel(timer: Timer | undefined): void {
    if (timer) timer.run = undefined;
  }

  /** Runs everything up to and including that instant. */
  runUntil(end: number): void {
    for (let first = this.#heap[0]; first !== undefined && first.at <= end; first = this.#heap[0]) {
      this.#pop();
      const {run} = first;
      if (!run) continue;
      first.run = undefined;
      this.now = first.at;
      this.steps++;
      run();
    }
    this.now = Math.max(this.now, end);
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(timer);
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up];
      if (!parent || !before(timer, parent)) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      const left = heap[child];
      if (!left) break;
      const right = heap[child + 1];
      if (right && before(right, left)) child++;
      const smallest = heap[child];
      if (!smallest || !before(smallest, last)) break;
      heap[i] = smallest;
      i = child;
    }
    heap[i] = last;
  }
}

const before = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

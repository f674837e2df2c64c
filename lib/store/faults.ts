// What is wrong in the store, told once per thing and again when it changes, not at every poll.

/** `message` is a whole sentence that names the path in question. */
export type Report = (message: string) => void;

/** How many things are remembered; a directory full of rubbish must not fill the memory. */
const REMEMBERED_MAX = 1_000;

export class Faults {
  readonly #report: Report;
  readonly #told = new Map<string, string>();

  constructor(report: Report) {
    this.#report = report;
  }

  /** @param path the thing in question. */
  tell(path: string, message: string): void {
    if (this.#told.get(path) === message) return;
    if (this.#told.size >= REMEMBERED_MAX && !this.#told.has(path)) return;
    this.#told.set(path, message);
    this.#report(message);
  }

  /** The thing is in order: what is wrong with it next time is news again. */
  clear(path: string): void {
    this.#told.delete(path);
  }
}

// Scenarios that wait more than they work run side by side, each reported as a test of its own.

export type Scenarios = Readonly<Record<string, () => Promise<void>>>;

/** How many clusters at once two cores bear without missing their own deadlines. */
const AT_ONCE = 3;

/** One test for each scenario, by its title; the first test that runs begins them all, and each waits for its own. */
export function together(scenarios: Scenarios): void {
  let running: ReadonlyMap<string, Promise<void>> | undefined;
  for (const title of Object.keys(scenarios)) it(title, () => (running ??= begin(scenarios)).get(title));
  after(async () => {
    if (running) await Promise.allSettled(running.values());
  });
}

function begin(scenarios: Scenarios): ReadonlyMap<string, Promise<void>> {
  const begun = new Map<string, Promise<void>>();
  const earlier: Promise<unknown>[] = [];
  for (const [title, run] of Object.entries(scenarios)) {
    const turn = earlier.at(-AT_ONCE) ?? Promise.resolve();
    const result = turn.then(run);
    begun.set(title, result);
    // Its test reports a failure; whoever comes after it begins all the same.
    earlier.push(result.catch(() => undefined));
  }
  return begun;
}

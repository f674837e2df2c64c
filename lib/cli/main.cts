#!/usr/bin/env node
// The entry. It is CommonJS, because loading an ES module already starts libuv's pool, whose size must be set before.

/** One thread for each lane of the store, which may all hang at once, and some for everything else. */
process.env['UV_THREADPOOL_SIZE'] ??= '16';

void Promise.all([import('./crash.ts'), import('node:v8')]).then(async ([{endOnCrash}, v8]) => {
  // An agent does little, for weeks: what optimised code would save is less than optimising costs, and a small heap is swept sooner
  // by one thread than the others are awake.
  for (const flag of ['--no-opt', '--no-parallel-scavenge']) v8.setFlagsFromString(flag);
  endOnCrash();
  const {main} = await import('./program.ts');
  await main(process.argv.slice(2));
});

#!/usr/bin/env node
// The entry. It is CommonJS, because loading an ES module already starts libuv's pool, whose size must be set before.

/** One thread for each lane of the store, which may all hang at once, and some for everything else. */
process.env['UV_THREADPOOL_SIZE'] ??= '16';

void import('./crash.ts').then(async ({endOnCrash}) => {
  endOnCrash();
  const {main} = await import('./program.ts');
  await main(process.argv.slice(2));
});

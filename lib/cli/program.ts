// The command line: which commands there are, and how a failure becomes a message and an exit status.
import yargs from 'yargs';
import {describeError, exitStatus, isHaError} from '../errors.ts';
import {UsageError, type Command} from './command.ts';

/** 0 fine · 1 the command line cannot be parsed · 2 failed while running · 3 refused. */
const CANNOT_PARSE = 1;

/** Never rejects: sets the exit status of the process. @param args what followed the program's name. */
export async function main(args: readonly string[]): Promise<void> {
  try {
    await parse(args);
  } catch (error) {
    if (!(error instanceof UsageError)) process.stderr.write(`ha-agent: ${describeError(error)}\n`);
    if (args.includes('--json') && isHaError(error)) {
      process.stdout.write(`${JSON.stringify({error: {code: error.code, message: error.message, details: error.details}})}\n`);
    }
    process.exitCode = error instanceof UsageError ? CANNOT_PARSE : exitStatus(error);
  }
}

async function parse(args: readonly string[]): Promise<void> {
  const split = args.indexOf('--');
  const own = split === -1 ? args : args.slice(0, split);
  const service = split === -1 ? undefined : args.slice(split + 1);
  const program = yargs([...own])
    .scriptName('ha-agent')
    .usage('$0 <command>\n\nMakes any service active-passive over a shared directory.')
    .parserConfiguration({'duplicate-arguments-array': false, 'camel-case-expansion': true, 'parse-numbers': false})
    .strict()
    .demandCommand(1, 'name a command')
    .recommendCommands()
    .help()
    .version((await import('./version.ts')).VERSION)
    .wrap(Math.min(120, process.stdout.columns || 120))
    .exitProcess(false)
    .fail((message, error, usage) => {
      // yargs passes an error of a handler through here too, and a usage fault without one.
      const thrown: unknown = error;
      if (thrown instanceof Error && thrown.name !== 'YError' && !(thrown instanceof UsageError)) throw thrown;
      usage.showHelp('error');
      process.stderr.write(`\nha-agent: ${message || (thrown instanceof Error ? thrown.message : String(thrown))}\n`);
      throw new UsageError(message);
    });
  for (const command of await commands()) {
    program.command(
      command.usage,
      command.describe,
      (builder) => {
        builder.options(command.options).example(command.example[0], command.example[1]);
        for (const each of command.positionals ?? []) {
          const {name, describe, choices, required: demandOption} = each;
          builder.positional(name, {describe, type: 'string', demandOption, ...(choices && {choices})});
        }
      },
      (argv) => command.run({argv, service}),
    );
  }
  await program.parseAsync();
}

/** One file per command; each loads what it needs when it runs. */
async function commands(): Promise<readonly Command[]> {
  const modules = await Promise.all([
    import('./launch.ts'),
    import('./init.ts'),
    import('./status.ts'),
    import('./state.ts'),
    import('./history.ts'),
    import('./switchover.ts'),
    import('./promote.ts'),
    import('./pause.ts'),
    import('./stop.ts'),
    import('./remove.ts'),
    import('./accept.ts'),
    import('./proxy.ts'),
    import('./doctor.ts'),
    import('./service.ts'),
  ]);
  return modules.flatMap((module) => module.commands);
}

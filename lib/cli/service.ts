// service: makes the agent a systemd unit of this host, and takes that away again.
import {commandLineOptions} from '../config/command-line.ts';
import type {Call, Command} from './command.ts';

const ACTIONS = ['install', 'uninstall'];

export const commands: readonly Command[] = [
  {
    usage: 'service <action>',
    describe: 'install: write and enable a systemd unit that launches this node; uninstall: stop and remove it',
    example: [
      '$0 service install --persistenceDir /mnt/ha -- /usr/bin/my-service --port 8080',
      'with the options of launch; as root, on each host',
    ],
    positionals: [{name: 'action', describe: 'what to do', required: true, choices: ACTIONS}],
    options: {
      unit: {
        type: 'string',
        describe: 'name of the unit [NAME]',
        defaultDescription: 'ha-agent, or ha-agent-APP',
        requiresArg: true,
      },
      user: {
        type: 'string',
        describe: 'who runs the agent and its service [NAME]',
        defaultDescription: 'root',
        requiresArg: true,
      },
      group: {type: 'string', describe: 'as which group [NAME]', defaultDescription: "the user's own", requiresArg: true},
      workingDirectory: {
        type: 'string',
        describe: 'where the agent and its commands run [DIR]',
        defaultDescription: 'the state directory',
        requiresArg: true,
      },
      dryRun: {type: 'boolean', describe: 'print the unit and change nothing'},
      json: {type: 'boolean', describe: 'print JSON for machines'},
      ...commandLineOptions(),
    },
    run: service,
  },
];

async function service(call: Call): Promise<void> {
  const {install, uninstall} = await import('./service-unit.ts');
  return call.argv['action'] === 'uninstall' ? uninstall(call) : install(call);
}

// What makes sure of a service, or runs in its place, while nothing active runs: a command, a look at a unit, or a process.
import type {CommandEnd, RunningCommand} from './command.ts';
import {ensureCommand} from './ensure-run.ts';
import {StandbyProcess, type StandbyHost} from './standby-process.ts';
import {passiveUnit} from './unit-run.ts';

export class PassiveForm {
  /** A check that is under way: a start waits for it. */
  command: RunningCommand | undefined;
  readonly standby: StandbyProcess | undefined;
  private readonly host: StandbyHost;

  constructor(host: StandbyHost) {
    const {service} = host.setup;
    this.host = host;
    this.standby = service.kind === 'exec' && service.standby ? new StandbyProcess(host, service, service.standby) : undefined;
  }

  /** Two requests at once share one run of a command. @returns what an agent is told. */
  async check(epoch: number | undefined, backoffMs: number): Promise<CommandEnd> {
    if (this.standby) return this.standby.look(epoch, backoffMs);
    const {service} = this.host.setup;
    if (service.kind !== 'ensure' && service.kind !== 'systemd') return {ok: true, because: 'there is no passive command'};
    if (!this.command) {
      const command =
        service.kind === 'systemd' ? passiveUnit(this.host, service) : ensureCommand(this.host, service, 'passive', epoch);
      this.command = command;
      void command.done.then(() => (this.command = undefined));
    }
    const {ok, because} = await this.command.done;
    return {ok, because: service.kind === 'systemd' ? because : `the passive command: ${because}`};
  }

  /** @param then called when no standby process is left, or it does not end. */
  end(then: () => void): void {
    if (this.standby) this.standby.end(then);
    else then();
  }
}

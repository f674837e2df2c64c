// highAvailability disabled: the service runs without a lease, no store is touched, and nobody else takes over.
import type {Config} from '../config/config.ts';
import type {GuardianReport} from '../protocol/guardian-machine.ts';
import type {NodeState} from '../protocol/heartbeat.ts';
import {epoch, monoMs} from '../protocol/words.ts';
import type {Ending} from './agent.ts';
import type {Clock, GuardianPort, Readiness, Reporter} from './ports.ts';
import {aloneReport, NO_COUNTS, type Prelude} from './prelude.ts';
import {Refused, type AgentEvent, type AgentPort} from './status.ts';

export interface AloneParts {
  readonly config: Config;
  readonly prelude: Prelude;
  readonly clock: Clock;
  readonly guardian: GuardianPort;
  readonly readiness: Readiness;
  readonly log: Reporter;
}

/** No deadline ever comes: there is no lease that could end. */
const NEVER = monoMs(Number.MAX_SAFE_INTEGER);
const NO_EPOCH = epoch(0);

/** A node that serves alone. Started by `start`, ended by `end`, over when `ended` resolves. */
export class AloneNode {
  readonly port: AgentPort;
  readonly ended: Promise<Ending>;
  readonly #parts: AloneParts;
  readonly #listeners = new Set<(event: AgentEvent) => void>();
  #config: Config;
  #settle: (ending: Ending) => void = () => undefined;
  #state: NodeState = 'INITIALIZING';
  #because = 'starting';
  #attempt = 0;
  #run = 0;
  #events = 0;
  #running = false;
  #ending: string | undefined;

  constructor(parts: AloneParts) {
    this.#parts = parts;
    this.#config = parts.config;
    this.ended = new Promise((resolve) => (this.#settle = resolve));
    const shared = (): never => {
      throw new Refused('this node runs with highAvailability disabled: there is no cluster');
    };
    this.port = {
      status: () => this.#status(),
      subscribe: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
      setMode: async (mode) => (mode === 'disabled' ? Promise.resolve(this.#state) : shared()),
      setPriority: async () => Promise.resolve(shared()),
      clear: () => Promise.resolve(),
      switchover: async () => Promise.resolve(shared()),
      setPaused: async () => Promise.resolve(shared()),
      shutdown: async () => Promise.resolve(this.end('a shutdown was requested')),
      hint: () => undefined,
    };
  }

  async start(): Promise<void> {
    await this.#parts.guardian.open({
      report: (report) => this.#hear(report),
      closed: (because) => void this.#reopen(because),
    });
    this.#serve();
  }

  /** Takes over what may change while the node runs. */
  configure(config: Config): void {
    this.#config = config;
  }

  end(because: string): void {
    if (this.#ending !== undefined) return;
    this.#ending = because;
    this.#parts.readiness.stop();
    this.#parts.guardian.send({type: 'deadline', epoch: NO_EPOCH, attempt: ++this.#attempt, deadline: 'now'});
    this.#tell('INITIALIZING', `ending: ${because}`);
    if (!this.#running) this.#over();
  }

  #serve(): void {
    if (this.#ending !== undefined) return;
    const {guardian} = this.#parts;
    if (!this.#config.runs) return this.#tell('MASTER', 'alone, without a service');
    guardian.send({type: 'deadline', epoch: NO_EPOCH, attempt: ++this.#attempt, deadline: NEVER});
    guardian.send({type: 'start', run: ++this.#run, epoch: NO_EPOCH});
    this.#running = true;
    this.#tell('INITIALIZING', 'starting the service');
  }

  #hear(report: GuardianReport): void {
    const {readiness} = this.#parts;
    if (report.type === 'started') {
      readiness.start(report.run, (ok, because) => this.#tell(ok ? 'MASTER' : 'INITIALIZING', ok ? 'serving alone' : because));
    }
    if (report.type === 'stopping') {
      readiness.stop();
      this.#tell('INITIALIZING', report.because);
    }
    if (report.type === 'refused') this.#tell('FAILED', report.because);
    if (report.type === 'gone' && report.proven) this.#again(report.because);
  }

  #again(because: string): void {
    this.#running = false;
    if (this.#ending !== undefined) return this.#over();
    this.#tell('FAILED', `the service ended: ${because}`);
    setTimeout(() => this.#serve(), this.#config.service.backoffMs);
  }

  async #reopen(because: string): Promise<void> {
    this.#parts.readiness.stop();
    this.#tell('FAILED', because);
    await this.#parts.guardian.kill();
    this.#running = false;
    if (this.#ending === undefined) await this.start();
    else this.#over();
  }

  #over(): void {
    this.#parts.guardian.send({type: 'bye'});
    void this.#parts.guardian.leave(0);
    this.#settle({code: 0, because: this.#ending ?? 'ended'});
  }

  #tell(state: NodeState, because: string): void {
    if (state === this.#state && because === this.#because) return;
    this.#state = state;
    this.#because = because;
    this.#parts.log.info(because, {state});
    const event: AgentEvent = {id: ++this.#events, type: 'state', wallMs: this.#parts.clock.wallMs(), because};
    for (const listener of this.#listeners) listener(event);
  }

  #status(): ReturnType<AgentPort['status']> {
    const {prelude, clock} = this.#parts;
    return aloneReport(this.#config, prelude, clock, {
      state: this.#state,
      phase: this.#state === 'MASTER' ? 'ready' : 'starting',
      mode: 'disabled',
      because: this.#because,
      counters: NO_COUNTS,
      shuttingDown: this.#ending !== undefined,
    });
  }
}

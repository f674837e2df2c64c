// Whether this node could serve: what guardian, passive form and health say, put together; and an owner that cannot steps down.
import type {AgentInput, AgentState} from '../protocol/agent-state.ts';
import type {NodeHealth} from './ports.ts';

/** Who may have something against this node. */
export type FitnessSource = 'guardian' | 'passive' | 'watchdog' | 'health';

export interface FitnessBoard {
  /** What a source has against this node now; undefined: nothing. */
  note(source: FitnessSource, fault: string | undefined): void;
  /** The machine has taken a step: an owner that must not serve gives the lease away, its service stopped first. */
  turned(state: AgentState): void;
  start(): void;
  stop(): void;
}

export function createFitness(health: NodeHealth, input: (input: AgentInput) => void): FitnessBoard {
  const faults = new Map<FitnessSource, string>();
  let failed: string | undefined;
  let told = '';

  function note(source: FitnessSource, fault: string | undefined): void {
    if (fault === undefined) faults.delete(source);
    else faults.set(source, fault);
    const because = [...faults.values()].join('; ');
    if (because === told) return;
    told = because;
    input({type: 'fitness', ok: because === '', because});
  }

  return {
    note,
    turned(s) {
      health.role(s.lease.kind === 'owned' || s.service.kind !== 'down');
      // What the passive form said is of no account to an owner; after it, it is asked anew.
      if (s.lease.kind === 'owned') note('passive', undefined);
      // While the cluster is paused nobody could take over: the service is left alone.
      if (failed === undefined || s.lease.kind !== 'owned' || s.wishes.paused || s.ending || s.ended) return;
      input({type: 'demote', because: failed});
    },
    start() {
      health.start((fitness) => {
        const because = fitness.kind === 'fit' ? undefined : `health: ${fitness.because}`;
        failed = fitness.kind === 'unfit' ? because : undefined;
        note('health', because);
      });
    },
    stop: () => health.stop(),
  };
}

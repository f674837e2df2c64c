// What a proxy can follow: the store itself, or the nodes over HTTP.
import type {Sighting} from './situation.ts';

export interface SourceListener {
  readonly onSighting: (sighting: Sighting) => void;
  /** Why nothing is seen now; undefined: something is again. May be told the same thing many times. */
  readonly onFault: (because: string | undefined) => void;
}

export interface Source {
  /** Something is about to change: look more often for a while. */
  hurry(): void;
}

// What happened, readable: time, node, what, why. Kept only when somebody wants to read it.

export interface Transcript {
  readonly on: boolean;
  readonly lines: string[];
  add(atMs: number, who: string, what: string): void;
}

export function makeTranscript(on: boolean): Transcript {
  const lines: string[] = [];
  return {
    on,
    lines,
    add: (atMs, who, what) => {
      if (on) lines.push(`${(atMs / 1_000).toFixed(3).padStart(9)}  ${who.padEnd(6)} ${what}`);
    },
  };
}

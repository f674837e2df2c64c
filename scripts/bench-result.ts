// What a benchmark gives: rows of numbers, and how they are printed.

export interface Row {
  /** What was measured, in a few words. */
  readonly what: string;
  /** What it is to be. */
  readonly wanted: string;
  readonly unit: 's' | 'ms' | '% of a core' | 'MB' | 'calls/s';
  readonly values: readonly number[];
  /** Undefined where nothing was promised. */
  readonly reached: boolean | undefined;
  /** The longest time for which two services were active at once, ms; undefined where none could be. */
  readonly overlapMs: number | undefined;
}

export interface Figures {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Zeros where there are no values. */
export function figuresOf(values: readonly number[]): Figures {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const at = (index: number): number => sorted[index] ?? 0;
  const median = sorted.length % 2 === 1 ? at(Math.floor(middle)) : (at(middle - 1) + at(middle)) / 2;
  return {median, min: at(0), max: at(sorted.length - 1)};
}

/** A table for the README. */
export function drawRows(rows: readonly Row[]): string {
  const head = ['measured', 'runs', 'median', 'least', 'most', 'two active at once', 'wanted', 'reached'];
  const lines = rows.map((row) => {
    const {median, min, max} = figuresOf(row.values);
    const [middle, least, most] = [median, min, max].map((value) => `${round(value)} ${row.unit}`);
    const overlap = row.overlapMs === undefined ? '-' : `${round(row.overlapMs)} ms`;
    const reached = row.reached === undefined ? '-' : row.reached ? 'yes' : 'NO';
    return [
      row.what,
      String(row.values.length),
      middle ?? '',
      least ?? '',
      most ?? '',
      overlap,
      row.wanted === '' ? '-' : row.wanted,
      reached,
    ];
  });
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const round = (value: number): string => (value === 0 ? '0' : value.toFixed(Math.abs(value) < 100 ? 2 : 0));

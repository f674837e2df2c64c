// Durations and sizes as people write them: a number and a unit, never a bare number.

const DURATION_UNITS: Readonly<Record<string, number>> = {ms: 1, s: 1_000, m: 60_000, h: 3_600_000};
const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 1_024,
  MiB: 1_024 ** 2,
  GiB: 1_024 ** 3,
};

/** @returns milliseconds; undefined unless `text` is a number with `ms`, `s`, `m` or `h` that makes whole milliseconds. */
export const parseDuration = (text: string): number | undefined => parse(text, DURATION_UNITS);

/** @returns bytes; undefined unless `text` is a number with `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB` that makes whole bytes. */
export const parseSize = (text: string): number | undefined => parse(text, SIZE_UNITS);

/** `30000` -> `30s`: the largest unit that needs no fraction. */
export const formatDuration = (ms: number): string => format(ms, DURATION_UNITS, 'ms');

/** `10485760` -> `10MiB`: the largest unit that needs no fraction. */
export const formatSize = (bytes: number): string => format(bytes, SIZE_UNITS, 'B');

function parse(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const m = /^(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]{1,3})$/.exec(text.trim());
  const factor = m?.[2] !== undefined && Object.hasOwn(units, m[2]) ? units[m[2]] : undefined;
  if (m?.[1] === undefined || factor === undefined) return undefined;
  // 1.1 * 60000 is not quite 66000 in binary fractions.
  const amount = Number((Number(m[1]) * factor).toFixed(6));
  return Number.isSafeInteger(amount) ? amount : undefined;
}

function format(amount: number, units: Readonly<Record<string, number>>, smallest: string): string {
  if (amount === 0) return smallest === 'ms' ? '0s' : `0${smallest}`;
  const fitting = Object.entries(units).filter(([, factor]) => amount % factor === 0);
  const [unit, factor] = fitting.reduce((best, next) => (next[1] > best[1] ? next : best));
  return `${amount / factor}${unit}`;
}

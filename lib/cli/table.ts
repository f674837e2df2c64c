// Tables for people: aligned columns without lines, in colour only on a terminal.
import Table from 'cli-table3';
import pico from 'picocolors';

/** @returns the table with a bold head; just the head where there are no rows. */
export function drawTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const none = Object.fromEntries(BORDERS.map((part) => [part, '']));
  const table = new Table({
    head: head.map((cell) => pico.bold(cell)),
    chars: {...none, middle: '  '},
    style: {head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true},
  });
  for (const row of rows) table.push(row.map(printable));
  return table.toString();
}

const BORDERS = [
  ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
  ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
] as const;

/** What comes from the store is data: no control character of it reaches the terminal. */
const printable = (text: string): string => text.replace(/\p{Cc}/gu, '?');

// What a doctor found, for people: one line per check, with what to do below it where something has to be done.
import pico from 'picocolors';
import type {Report} from '../doctor/conclusion.ts';
import {CHECKS, type Level, type Verdict} from '../doctor/verdict.ts';

const COLOURS: Readonly<Record<Level, (text: string) => string>> = {
  ok: pico.green,
  warning: pico.yellow,
  unsafe: (text) => pico.bold(pico.red(text)),
};
const LEVEL_WIDTH = 9;
const CHECK_WIDTH = 2 + Math.max(...Object.values(CHECKS).map((name) => name.length));

export function drawReport({verdicts, notTried, promise}: Report): string {
  const lines = [
    ...verdicts.flatMap(drawVerdict),
    ...notTried.map((sentence) => `${'not tried'.padEnd(LEVEL_WIDTH)} ${printable(sentence)}`),
    '',
    printable(promise),
  ];
  return lines.join('\n');
}

function drawVerdict({check, level, reason, remedy}: Verdict): string[] {
  const line = `${COLOURS[level](level.padEnd(LEVEL_WIDTH))} ${CHECKS[check].padEnd(CHECK_WIDTH)}${printable(reason)}`;
  return remedy === null
    ? [line]
    : [line, `${''.padEnd(LEVEL_WIDTH)} ${'what to do:'.padStart(CHECK_WIDTH - 2)}  ${printable(remedy)}`];
}

/** What comes from mounts and from other hosts is data: no control character of it reaches the terminal. */
const printable = (text: string): string => text.replace(/\p{Cc}/gu, '?');

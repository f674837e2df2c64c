// How each kind of check is run.
import type {GroupQuestion, Outcome, Probe, Question} from './check.ts';
import {probeCommand} from './command-check.ts';
import {probeHttp} from './http-check.ts';
import {probeDisk, probeWritable} from './path-checks.ts';
import {probeTcp} from './tcp-check.ts';

export function createProbe(question: Question): Probe {
  switch (question.kind) {
    case 'http':
      return (signal) => probeHttp(question, signal);
    case 'tcp':
      return (signal) => probeTcp(question, signal);
    case 'command':
      return probeCommand(question);
    case 'disk':
      return probeDisk(question);
    case 'writable':
      return probeWritable(question);
    case 'anyOf':
    case 'allOf':
      return probeGroup(question);
    default:
      return question satisfies never;
  }
}

/** Each member ends within its own timeout, and so does the group; nothing is cut short because another member has passed. */
function probeGroup({kind, of}: GroupQuestion): Probe {
  const probes = of.map(createProbe);
  return async (signal) => {
    const outcomes = await Promise.all(probes.map((probe) => probe(signal)));
    const passed = outcomes.filter(({ok}) => ok);
    const ok = kind === 'anyOf' ? passed.length > 0 : passed.length === outcomes.length;
    return {ok, because: ok ? sentence(passed) : `${kind}: ${sentence(outcomes.filter((each) => !each.ok))}`};
  };
}

const sentence = (outcomes: readonly Outcome[]): string => outcomes.map(({because}) => because).join(', ');

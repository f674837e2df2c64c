// How each kind of check is run.
import type {Check, Probe} from './check.ts';
import {probeCommand} from './command-check.ts';
import {probeHttp} from './http-check.ts';
import {probeTcp} from './tcp-check.ts';

export function createProbe(check: Check): Probe {
  switch (check.kind) {
    case 'http':
      return (signal) => probeHttp(check, signal);
    case 'tcp':
      return (signal) => probeTcp(check, signal);
    case 'command':
      return probeCommand(check);
    default:
      return check satisfies never;
  }
}

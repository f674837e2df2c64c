// The small configurations that are explored.
import type {Bounds} from './explore.ts';

export const CONFIGURATIONS: readonly {readonly title: string; readonly nodes: number; readonly left: Bounds['left']}[] = [
  {title: 'two nodes, no fault but slowness', nodes: 2, left: {lost: 0, late: 0, stale: 0, crash: 0}},
  {title: 'two nodes, a lost reply and a stale listing', nodes: 2, left: {lost: 1, late: 0, stale: 1, crash: 0}},
  {title: 'two nodes, an error whose rename is executed later', nodes: 2, left: {lost: 0, late: 1, stale: 0, crash: 0}},
  {
    title: 'one node and its next instance: kill -9, adoption, local proof',
    nodes: 1,
    left: {lost: 1, late: 1, stale: 1, crash: 1},
  },
  {title: 'two nodes, one kill -9 and a restart', nodes: 2, left: {lost: 0, late: 0, stale: 0, crash: 1}},
];

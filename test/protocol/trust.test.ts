// (B) Which store is this?
import {expect} from 'chai';
import {newAgent, stepAgent} from '../../lib/protocol/agent-machine.ts';
import type {AgentState, Listing, Self, Settings} from '../../lib/protocol/agent-state.ts';
import {DEFAULT_TIMING, DOUBT_MS} from '../../lib/protocol/timing.ts';
import {epoch, instanceId, monoMs, nodeId} from '../../lib/protocol/words.ts';

const self: Self = {nodeId: nodeId('n1'), instanceId: instanceId('aaaaaaaa'), timing: DEFAULT_TIMING, hasService: true};
const settings: Settings = {mode: 'auto', priority: 0, attempts: 3, backoffMs: 100, startTimeoutMs: 1_000, coolDownMs: 1_000};

type Shown = readonly [askedAtMs: number, answeredAtMs: number, what: Listing | readonly string[]];

/** A node that knows epoch 5 from its earlier life, and what it is shown: [asked, answered, names]. */
function shown(...listings: readonly Shown[]): AgentState {
  let state = newAgent(self, settings, epoch(5), monoMs(0));
  state = stepAgent(state, {type: 'tick'}, monoMs(0)).state;
  for (const [askedAt, answeredAt, what] of listings) {
    const listing: Listing = 'kind' in what ? what : {kind: 'names', names: what};
    state = stepAgent(
      state,
      {type: 'listed', listing, askedAt: monoMs(askedAt), answeredAt: monoMs(answeredAt)},
      monoMs(answeredAt),
    ).state;
  }
  return state;
}

const right = ['0000000005.held.n2.bbbbbbbb.30000.1'];
const later = ['0000000006.held.n3.cccccccc.30000.1'];
const old = ['0000000004.held.n2.bbbbbbbb.30000.9'];

describe('the store is', () => {
  const table: readonly (readonly [string, AgentState['trust']['kind'], readonly Shown[]])[] = [
    ['right, with the epoch that is known', 'fine', [[1, 2, right]]],
    ['right, with a larger one', 'fine', [[1, 2, later]]],
    ['doubted from the first sight of a smaller epoch', 'doubted', [[1, 2, old]]],
    ['doubted with two locks', 'doubted', [[1, 2, [...right, ...later]]]],
    ['doubted where it is another one', 'doubted', [[1, 2, {kind: 'notOurStore', reason: 'another storeId'}]]],
    ['unknown while the listing is empty', 'fine', [[1, 2, []]]],
    ['right beside foreign names', 'fine', [[1, 2, ['.nfs01', ...right, '.snapshot']]]],
    [
      'not judged by a listing that began before the larger epoch was learned',
      'fine',
      [
        [1, 5, later],
        [2, 9, right],
      ],
    ],
    [
      'judged by one that began after it',
      'doubted',
      [
        [1, 5, later],
        [6, 9, right],
      ],
    ],
    ['not judged by an error', 'fine', [[1, 2, {kind: 'error', reason: 'EIO'}]]],
    [
      'doubted, not wrong, after exactly a minute',
      'doubted',
      [
        [1, 2, old],
        [3, 2 + DOUBT_MS, old],
      ],
    ],
    [
      'wrong after more than a minute',
      'wrong',
      [
        [1, 2, old],
        [3, 3 + DOUBT_MS, old],
      ],
    ],
    [
      'right again as soon as it shows the right lock',
      'fine',
      [
        [1, 2, old],
        [3, 3 + DOUBT_MS, old],
        [4 + DOUBT_MS, 5 + DOUBT_MS, right],
      ],
    ],
  ];
  for (const [what, kind, listings] of table) {
    it(what, () => {
      expect(shown(...listings).trust.kind).to.equal(kind);
    });
  }

  it('listed with a forced refresh while it is doubted', () => {
    const state = shown([1, 2, old]);
    const {effects} = stepAgent(state, {type: 'tick'}, monoMs(5_000));
    expect(effects).to.deep.include({type: 'list', refresh: true});
  });
});

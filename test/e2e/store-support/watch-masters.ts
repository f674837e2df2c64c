// Asks every node all the time who is master, and remembers whatever must never be seen.
import type {SummaryView} from '../../../lib/http/views.ts';
import type {Cluster} from '../support/cluster.ts';

export interface MasterWatch {
  /** @returns how many answers were looked at. @throws Error with everything that was wrong in one of them */
  end(): Promise<number>;
}

/** One round after the other, until `end`. */
export function watchMasters(cluster: Cluster): MasterWatch {
  const faults: string[] = [];
  let answers = 0;
  let highest = 0;
  const stop = new AbortController();

  async function look(node: Cluster['nodes'][number]): Promise<void> {
    if (!node.wasLaunched || !node.isRunning()) return;
    const knownBefore = highest;
    const view = await node.state().catch(() => undefined);
    if (!view) return;
    answers++;
    faults.push(...faultsIn(view));
    if (view.state !== 'MASTER') return;
    // Who answers MASTER now, and was asked after somebody with a larger epoch had answered it, is one of two.
    if (view.epoch < knownBefore) faults.push(`${view.ownId} is MASTER under epoch ${view.epoch} after epoch ${knownBefore}`);
    highest = Math.max(highest, view.epoch);
  }

  const watching = (async () => {
    while (!stop.signal.aborted) {
      await Promise.all(cluster.nodes.map(look));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return {
    async end() {
      stop.abort();
      await watching;
      if (faults.length > 0) throw new Error(faults.join('\n'));
      return answers;
    },
  };
}

function faultsIn(view: SummaryView): string[] {
  const masters = Object.values(view.nodes).filter(({status}) => status === 'MASTER');
  const faults = masters.length > 1 ? [`${view.ownId} shows ${masters.length} masters: ${JSON.stringify(masters)}`] : [];
  const stranger = masters.find(({nodeId}) => nodeId !== view.masterId);
  return stranger ? [...faults, `${view.ownId} shows ${stranger.nodeId} as MASTER, and ${view.masterId} as masterId`] : faults;
}

// The rules of the protocol that are load-bearing, each with the change that breaks it: the simulator must notice every one.
// The texts are those of the compiled lib/protocol; each must be found exactly once.

export interface Mutation {
  /** What is broken, in the words of the protocol. */
  readonly rule: string;
  readonly edits: readonly {readonly file: string; readonly find: string; readonly replace: string}[];
  /** Quick to be caught: also part of `npm test`. */
  readonly quick?: true;
  /** The first seed to try, for a fault that one seed in thousands meets. */
  readonly first?: number;
}

const one = (rule: string, file: string, find: string, replace: string): Mutation => ({rule, edits: [{file, find, replace}]});
const quick = (mutation: Mutation): Mutation => ({...mutation, quick: true});

export const MUTATIONS: readonly Mutation[] = [
  quick(one('no wait before a claim', 'claim.js', 'at: after(firstSeenAt, name.leaseTimeoutMs)', 'at: firstSeenAt')),
  one(
    'wait counted from the start of the listing',
    'lease.js',
    'firstSeenAt: same ? s.view.firstSeenAt : answeredAt',
    'firstSeenAt: same ? s.view.firstSeenAt : askedAt',
  ),
  one(
    'wait counted from the first sight of the owner, not of the name',
    'lease.js',
    'firstSeenAt: same ? s.view.firstSeenAt : answeredAt',
    'firstSeenAt: same || s.view.name?.epoch === name.epoch ? s.view.firstSeenAt : answeredAt',
  ),
  quick(one('lease counted from the reply', 'lease.js', '? undefined : at.askedAt', '? undefined : at.answeredAt')),
  one(
    "claimant waits its own T instead of the name's",
    'claim.js',
    'at: after(firstSeenAt, name.leaseTimeoutMs)',
    'at: after(firstSeenAt, s.self.timing.leaseTimeoutMs)',
  ),
  quick({
    rule: 'R: a name of mine in a listing extends the lease',
    edits: [
      {
        file: 'lease.js',
        find: 'return { ...s, lease: { ...lease, name, inDoubt: false } };',
        replace:
          "return lease.kind === 'owned' ? sendDeadline({ ...s, lease: { ...lease, name, inDoubt: false, renewedAt: now } }, { ...lease, name: {...name, attempt: s.attempt + 1}, renewedAt: now }, out, now) : { ...s, lease: { ...lease, name, inDoubt: false } };",
      },
    ],
  }),
  {
    rule: 'R: a claim found later gives a lease at once',
    edits: [
      {
        file: 'lease.js',
        find: 'renameFault: undefined, lease: newlyOwned(name, undefined, now), because };',
        replace: 'renameFault: undefined, lease: newlyOwned(name, now, now), because };',
      },
      {
        file: 'lease.js',
        find: "return hurry(owner, 'renew', now);",
        replace: "return sendDeadline(hurry(owner, 'renew', now), owner.lease, out, now);",
      },
    ],
  },
  {
    rule: 'V: after a release that failed the service starts under the old success',
    edits: [
      {
        file: 'lease.js',
        find: 'because, zeroed: told.attempt };',
        replace: 'because, zeroed: told.attempt, was: s.lease };',
      },
      {
        file: 'lease.js',
        find: 'return { ...looked, lease: { ...lease, inDoubt: true } };',
        replace:
          "if (lease.kind === 'givingAway' && lease.was.renewedAt !== undefined) { const n = nextAttempt(looked); out.push({ type: 'setDeadline', epoch: lease.name.epoch, attempt: n.attempt, deadline: after(lease.was.renewedAt, lease.name.leaseTimeoutMs) }); return { ...n, lease: { ...lease.was, inDoubt: true } }; }\n    return { ...looked, lease: { ...lease, inDoubt: true } };",
      },
    ],
  },
  {
    rule: 'V: the guardian is not told that the lease is given away',
    edits: [{file: 'guardian-machine.js', find: "const given = order.deadline === 'now';", replace: 'const given = false;'}],
  },
  one(
    'G: the guardian starts without looking at the clock',
    'guardian-machine.js',
    "    if (leaseOver(s, now))\n        return 'the deadline has come';",
    '',
  ),
  quick(
    one(
      'G: the guardian does not stop at the deadline',
      'guardian-machine.js',
      'now >= stopAt(s.deadline.at, s.config.timing);',
      'false;',
    ),
  ),
  one('G: no SIGKILL', 'guardian-machine.js', "effects.push({ type: 'killRun', run: s.run.run });", ''),
  one(
    'K: an agent whose channel closed is taken for dead',
    'guardian-machine.js',
    "effects.push({ type: 'killAgent' });\n            return { ...s, link: { kind: 'killing' } };",
    "return { ...s, link: { kind: 'gone', since: now } };",
  ),
  one(
    'K: the agent starts a new guardian before the old one is gone',
    'guardian-link.js',
    "return { ...s, link: { kind: 'dying' }, guardianDoubtedAt: undefined, service, because };",
    "return { ...s, link: { kind: 'absent' }, service: { kind: 'down' }, because };",
  ),
  quick(
    one(
      'release before the service is gone (agent)',
      'lease.js',
      "if (!isDue(s, 'renew', now) || !nothingRuns(s))",
      "if (!isDue(s, 'renew', now))",
    ),
  ),
  one(
    'release before the service is gone (guardian)',
    'guardian-machine.js',
    "if (s.run.kind !== 'none')\n        return s;\n    effects.push({ type: 'release'",
    "effects.push({ type: 'release'",
  ),
  one('unproven counts as gone (agent)', 'supervise.js', 'if (!said.proven) {', 'if (false) {'),
  one(
    'unproven counts as gone (guardian)',
    'guardian-machine.js',
    "run: proven ? { kind: 'none' } : { kind: 'unproven', run, cause: s.run.cause }",
    "run: { kind: 'none' }",
  ),
  {
    rule: 'd = 0',
    edits: [
      {
        file: 'timing.js',
        find: 'after(deadline, -t.stopTimeoutMs - t.safetyMarginMs)',
        replace: 'after(deadline, -t.stopTimeoutMs)',
      },
      {file: 'timing.js', find: 'after(deadline, -t.safetyMarginMs)', replace: 'after(deadline, 0)'},
    ],
  },
  one(
    'T not kept on adoption',
    'claim.js',
    'heldByMe(next, name.epoch, name.leaseTimeoutMs)',
    'heldByMe(next, name.epoch, s.self.timing.leaseTimeoutMs)',
  ),
  quick(one('the epoch does not grow with a claim', 'claim.js', 'epoch(verdict.from.epoch + 1)', 'epoch(verdict.from.epoch)')),
  one(
    'any name of this node is taken for this instance',
    'lease.js',
    "const mine = name.kind === 'held' && isWrittenBy(name, s.self.instanceId);",
    "const mine = name.kind === 'held' && name.writer?.nodeId === s.self.nodeId;",
  ),
  one('attempts are used again', 'lanes.js', 'attempt: state.attempt,', 'attempt: Math.ceil(state.attempt / 2),'),
  one(
    'local proof without proof',
    'claim.js',
    "s.proofs.some((proof) => proof.kind === 'local' && proof.instanceId === name.writer?.instanceId)",
    'true',
  ),
  {
    // Either watch suffices where nothing else goes wrong: together they are load-bearing.
    rule: 'local proof without watching the record or the lock',
    edits: [
      {
        file: 'claim.js',
        find: "return s.ownRecord.kind === 'mine' ? s.startedAt : monoMs(Number.MAX_SAFE_INTEGER);",
        replace: 'return s.startedAt;',
      },
      {file: 'claim.js', find: "return { basis: 'local', at: still };", replace: "return { basis: 'local', at: firstSeenAt };"},
    ],
  },
  one('B: claims in a store that is doubted', 'claim.js', "if (s.trust.kind !== 'fine')\n        return advice(s.trust);", ''),
  one('B: a smaller epoch is believed', 'lease.js', 'if (name.epoch < s.known.epoch) {', 'if (false) {'),
  one('a statement holds for every epoch of its owner', 'claim.js', 'said.epoch === name.epoch && ', ''),
  one(
    'a fence counts for every epoch',
    'claim.js',
    "proof.kind === 'fence' && proof.epoch === name.epoch",
    "proof.kind === 'fence'",
  ),
  one(
    'MASTER without looking at the clock',
    'agent-report.js',
    "s.service.kind === 'ready' && now < stopAt(end, s.self.timing)",
    "s.service.kind === 'ready'",
  ),
  one(
    'a service that cannot start keeps the lease',
    'supervise.js',
    "return giveAway(standBack(s, now), 'nothing could be started for a whole lease', now, out);",
    'return s;',
  ),
  one(
    'the one that lets go does not come last',
    'election.js',
    'if ((other.nodeId === last) !== (me.nodeId === last))',
    'if (false)',
  ),
  one('priorities do not count', 'election.js', 'if (other.priority !== me.priority)', 'if (false)'),
  one(
    'ids are compared as text',
    'election.js',
    'return compareNatural(other.nodeId, me.nodeId) < 0;',
    'return other.nodeId < me.nodeId;',
  ),
  one(
    'the order is not waited for',
    'claim.js',
    'const at = after(monoMs(gate), rank * RANK_POLLS * s.self.timing.pollIntervalMs);',
    'const at = gate;',
  ),
  {
    ...one(
      'K: a guardian releases once more what its dead agent had released',
      'guardian-machine.js',
      'epoch: s.deadline?.epoch ?? 0',
      'epoch: 0',
    ),
    first: 9_951_960,
  },
];

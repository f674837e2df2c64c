// Every seed that ever failed because of a fault in lib/protocol. The plans of seeds change when the world learns a new kind of
// fault, so each fault also has a unit test or a mutation; the seeds stay because they once were unlucky.

export const REGRESSIONS: readonly {readonly seed: number; readonly why: string}[] = [
  {seed: 16, why: 'a claim was written to the history twice: a listing showed its effect before its reply came'},
  {seed: 2960, why: 'a late reply threw the view back to an epoch that had been overtaken, and the node claimed from it'},
  {seed: 151, why: 'a node without a service held a lease for ever that was over whenever its renewal was answered'},
  {seed: 159, why: 'the same with another timing'},
  {seed: 20091, why: 'an adopted lease too short for the timings of the new configuration: serving for ever, never MASTER'},
  {seed: 458, why: 'a standby took a lock that had been freed for another node, before it had read the switchover'},
  {seed: 9951968, why: 'a guardian released once more what its dead agent had released: the store had been set back to before'},
];

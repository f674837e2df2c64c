// Why an agent cannot leave its service to the next launch.

/** A sentence without a full stop; said by the agent and by the command that asks for it. */
export const NOTHING_TO_KEEP_BY =
  'with highAvailability disabled there is no lease that says for how long a service may be kept for the next launch';

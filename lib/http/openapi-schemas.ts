// The shapes that the OpenAPI document refers to.

const INTEGER = {type: 'integer'};
const TEXT = {type: 'string'};
const BOOLEAN = {type: 'boolean'};
const TEXT_OR_NULL = {type: ['string', 'null']};
const INTEGER_OR_NULL = {type: ['integer', 'null']};
const NUMBER_OR_NULL = {type: ['number', 'null']};
const STATE = {$ref: '#/components/schemas/NodeState'};
const MODE = {$ref: '#/components/schemas/Mode'};

/** Every field is always there; one that is not known is null. */
const record = (properties: Readonly<Record<string, object>>): object => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
});

export const SCHEMAS = {
  NodeState: {
    ...TEXT,
    enum: ['INITIALIZING', 'STANDBY', 'HOT_STANDBY', 'HOT_BACKUP', 'MASTER', 'FAILED', 'TERMINATED'],
    description: 'MASTER: lease held and service ready.',
  },
  Mode: {...TEXT, enum: ['disabled', 'auto', 'master', 'standby', 'hot_standby', 'hot_backup']},
  Node: record({
    nodeId: TEXT,
    nodeUri: TEXT_OR_NULL,
    status: STATE,
    localTimestamp: {...INTEGER, description: "Wall clock in the node's own heartbeat, ms since 1970."},
    remoteTimestamp: {...INTEGER_OR_NULL, description: "The answering node's wall clock when it last saw it change."},
    priority: INTEGER_OR_NULL,
    instanceId: TEXT_OR_NULL,
    mode: MODE,
    epoch: INTEGER,
    eligible: BOOLEAN,
    because: TEXT,
    lastSeenMs: NUMBER_OR_NULL,
    serviceUri: {...TEXT_OR_NULL, description: 'Where its service answers while it is master.'},
  }),
  HighAvailabilitySummary: record({
    planeId: TEXT_OR_NULL,
    ownId: TEXT,
    masterId: {...TEXT_OR_NULL, description: 'Owner of the lease.'},
    nodes: {type: 'object', additionalProperties: {$ref: '#/components/schemas/Node'}},
    links: {type: 'object', additionalProperties: TEXT},
    app: TEXT,
    state: STATE,
    phase: TEXT,
    mode: MODE,
    epoch: INTEGER,
    eligible: BOOLEAN,
    because: TEXT,
    masterUri: TEXT_OR_NULL,
    leaseLeftMs: {...NUMBER_OR_NULL, description: 'Time left on the lease of the answering node; null if it owns none.'},
    leaseTimeoutMs: INTEGER,
    paused: BOOLEAN,
  }),
  ExtendedUp: record({
    up: BOOLEAN,
    shuttingDown: BOOLEAN,
    healthy: BOOLEAN,
    ha: {$ref: '#/components/schemas/HighAvailabilitySummary'},
    osgiUp: BOOLEAN,
    'brooklyn.security.sensitive.fields': {type: 'object'},
  }),
  Metrics: record({
    state: STATE,
    uptime: {...TEXT, examples: ['3m 2s']},
    currentTimeUtc: INTEGER,
    startTimeUtc: INTEGER,
    highAvailability: record({
      priority: INTEGER,
      pollPeriod: INTEGER,
      heartbeatTimeout: INTEGER,
      history: {type: 'array', items: record({state: STATE, timestamp: INTEGER})},
    }),
    lease: record({
      epoch: INTEGER,
      leftMs: NUMBER_OR_NULL,
      renewals: INTEGER,
      renewalFailures: INTEGER,
      lastRenewalMs: NUMBER_OR_NULL,
      claims: INTEGER,
    }),
    service: record({promotions: INTEGER, demotions: INTEGER, starts: INTEGER, failures: INTEGER}),
    store: record({errors: INTEGER}),
  }),
  Role: record({state: STATE, phase: TEXT, nodeId: TEXT, epoch: INTEGER, masterId: TEXT_OR_NULL, because: TEXT}),
  Version: record({version: TEXT, buildSha1: TEXT_OR_NULL, buildBranch: TEXT_OR_NULL, features: {type: 'array', items: TEXT}}),
  ApiError: {
    type: 'object',
    properties: {message: TEXT, details: TEXT, error: {...INTEGER, description: 'The status of the response.'}},
    required: ['message', 'error'],
  },
} as const;

const failure = (description: string): object => ({
  description,
  content: {'application/json': {schema: {$ref: '#/components/schemas/ApiError'}}},
});

export const RESPONSES = {
  BadRequest: failure('A field is missing or not what it should be.'),
  Unauthorized: failure('A name and a password are needed, or were wrong.'),
  Forbidden: failure('This user, host or page may not do that.'),
  Refused: failure('The request was understood and cannot be carried out now; the message says why.'),
  TryLater: failure('Too many at once.'),
} as const;

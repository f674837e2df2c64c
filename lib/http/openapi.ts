// The interface as an OpenAPI 3.1 document, kept by hand; a test holds it against the routes.
import {RESPONSES, SCHEMAS} from './openapi-schemas.ts';

const STATE = {$ref: '#/components/schemas/NodeState'};
const SUMMARY = {$ref: '#/components/schemas/HighAvailabilitySummary'};
const ROLE = {$ref: '#/components/schemas/Role'};
const NO_PASSWORD = {security: []};

const json = (description: string, schema: object): object => ({description, content: {'application/json': {schema}}});
const text = (description: string, type: string): object => ({description, content: {[type]: {schema: {type: 'string'}}}});
const nothing = (description: string): object => ({description});

/** Machines ask without a password; every other request may meet 401, and one that changes something 403 and 409. */
const reading = (summary: string, ok: object): object => ({
  summary,
  tags: ['state'],
  responses: {200: ok, 401: {$ref: '#/components/responses/Unauthorized'}},
});

const changing = (summary: string, status: number, ok: object, requestBody?: object): object => ({
  summary,
  tags: ['commands'],
  ...(requestBody ? {requestBody} : {}),
  responses: {
    [status]: ok,
    ...(requestBody ? {400: {$ref: '#/components/responses/BadRequest'}} : {}),
    401: {$ref: '#/components/responses/Unauthorized'},
    403: {$ref: '#/components/responses/Forbidden'},
    409: {$ref: '#/components/responses/Refused'},
  },
});

const fields = (properties: Readonly<Record<string, object>>, required: readonly string[]): object => {
  const schema = {type: 'object', properties, ...(required.length > 0 ? {required} : {})};
  const content = {'application/x-www-form-urlencoded': {schema}, 'application/json': {schema}};
  return {required: required.length > 0, content};
};

const probing = (summary: string, no: string): object => {
  const operation = {summary, tags: ['machines'], ...NO_PASSWORD, responses: {200: json('Yes.', ROLE), 503: json(no, ROLE)}};
  return {get: operation, options: {...operation, summary: `${summary} (for probes that ask with OPTIONS)`}};
};

const MASTER_PROBE = probing('Is this node MASTER at this moment? HEAD works too.', 'It is not MASTER.');

export const OPENAPI = {
  openapi: '3.1.0',
  info: {
    title: 'ha-agent',
    version: '1',
    description: "One node of a cluster that shares a directory. Paths under /v1/server are Brooklyn's, with fields added.",
    license: {name: 'Apache-2.0', identifier: 'Apache-2.0'},
  },
  servers: [{url: '/'}],
  security: [{basic: []}, {certificate: []}, {}],
  tags: [
    {name: 'machines', description: 'Never need a password, never touch the store.'},
    {name: 'state', description: 'Need a user of any role if there is a users file.'},
    {name: 'commands', description: 'Need the role admin if there is a users file, and no page of another site.'},
  ],
  paths: {
    '/': {get: reading('A page for people, which renews itself.', text('HTML.', 'text/html'))},
    '/master': MASTER_PROBE,
    '/primary': MASTER_PROBE,
    '/leader': MASTER_PROBE,
    '/standby': probing('Is this node a live standby?', 'It is not.'),
    '/health': probing('Does the agent itself work?', 'It does not.'),
    '/metrics': {
      get: {
        summary: 'Numbers for Prometheus.',
        tags: ['machines'],
        ...NO_PASSWORD,
        responses: {200: text('Text exposition format.', 'text/plain')},
      },
    },
    '/openapi.json': {
      get: {
        summary: 'This document.',
        tags: ['machines'],
        ...NO_PASSWORD,
        responses: {200: json('OpenAPI 3.1.', {type: 'object'})},
      },
    },
    '/v1/events': {
      get: {
        summary:
          'Every change as a server-sent event. The first event is "snapshot"; a comment every 15 s shows that the connection lives.',
        tags: ['machines'],
        ...NO_PASSWORD,
        responses: {
          200: text('Events named snapshot, state, leader, nodes, pause and store, each with JSON data.', 'text/event-stream'),
          503: {$ref: '#/components/responses/TryLater'},
        },
      },
    },
    '/v1/hint': {
      post: {
        summary: 'Tells this agent that something changed elsewhere: it looks more often for a while.',
        tags: ['machines'],
        ...NO_PASSWORD,
        responses: {
          204: nothing('Taken.'),
          403: {$ref: '#/components/responses/Forbidden'},
          429: {$ref: '#/components/responses/TryLater'},
        },
      },
    },
    '/v1/pause': {post: changing('Nobody is elected until resumed.', 204, nothing('Paused.'))},
    '/v1/resume': {post: changing('Ends a pause.', 204, nothing('Resumed.'))},
    '/v1/switchover': {
      post: changing(
        'Moves mastership, and answers when it has moved.',
        200,
        json('Done.', {type: 'object', properties: {masterId: {type: ['string', 'null']}}}),
        fields({to: {type: 'string', description: 'Id of the node that is to be master; left out: the best other one.'}}, []),
      ),
    },
    '/v1/server/ha/state': {
      get: reading('State of this node.', json('As a JSON string.', STATE)),
      post: changing(
        'Changes the mode, and answers when that is carried out.',
        200,
        json('The state before.', STATE),
        fields({mode: {type: 'string', enum: ['AUTO', 'STANDBY', 'HOT_STANDBY', 'HOT_BACKUP', 'MASTER', 'DISABLED']}}, ['mode']),
      ),
    },
    '/v1/server/ha/states': {get: reading('Every node as this one sees it.', json('The cluster.', SUMMARY))},
    '/v1/server/ha/states/clear': {post: changing('Drops the records of all dead nodes.', 200, nothing('Dropped.'))},
    '/v1/server/ha/states/clear/node': {
      post: changing(
        'Drops the record of a dead node; a live or unknown one is left alone.',
        200,
        nothing('Done.'),
        fields({nodeId: {type: 'string'}}, ['nodeId']),
      ),
    },
    '/v1/server/ha/priority': {
      get: reading('Priority of this node; higher goes first.', json('A whole number.', {type: 'integer'})),
      post: changing(
        'Changes the priority until the agent ends.',
        200,
        json('The priority before.', {type: 'integer'}),
        fields({priority: {type: 'integer'}}, ['priority']),
      ),
    },
    '/v1/server/ha/metrics': {
      get: reading(
        'Timings, counters and past states, newest first.',
        json('Numbers of this node.', {$ref: '#/components/schemas/Metrics'}),
      ),
    },
    '/v1/server/up': {get: reading('Does this node run?', json('Yes or no.', {type: 'boolean'}))},
    '/v1/server/up/extended': {
      get: reading('Everything above in one answer.', json('State.', {$ref: '#/components/schemas/ExtendedUp'})),
    },
    '/v1/server/healthy': {get: reading('Does it run without trouble?', json('Yes or no.', {type: 'boolean'}))},
    '/v1/server/shuttingDown': {get: reading('Is it ending?', json('Yes or no.', {type: 'boolean'}))},
    '/v1/server/planeid': {get: reading('Identity of the store.', text('The id, empty while it is not known.', 'text/plain'))},
    '/v1/server/version': {get: reading('Version of the agent.', json('Version.', {$ref: '#/components/schemas/Version'}))},
    '/v1/server/shutdown': {post: changing('Begins the clean end of this agent and its service.', 204, nothing('Begun.'))},
  },
  components: {
    securitySchemes: {
      basic: {type: 'http', scheme: 'basic', description: 'A user of the users file; not needed without one.'},
      certificate: {type: 'mutualTLS', description: 'A client certificate whose common name is a user of the users file.'},
    },
    schemas: SCHEMAS,
    responses: RESPONSES,
  },
} as const;

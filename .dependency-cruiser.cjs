// Who may import whom: the table of the house as rules, types included.
'use strict';

/** Node's own modules as dependency-cruiser names them. */
const CORE = {dependencyTypes: ['core']};

/** @returns a rule: files of `from` import nothing but paths that match `allowed`, and Node's modules if `core`. */
function only(name, from, allowed, {core, comment}) {
  return {
    name,
    comment,
    severity: 'error',
    from: {path: from},
    to: {pathNot: allowed, ...(core ? {dependencyTypesNot: CORE.dependencyTypes} : {})},
  };
}

/** @returns a rule: in lib, `module` is imported below `home` only. */
function onlyBelow(module, home) {
  return {
    name: `${module}-only-in-its-room`,
    comment: `${module} is imported in ${home} only: the rest of the house does not know it`,
    severity: 'error',
    from: {path: '^lib/', pathNot: home},
    to: {path: `^node_modules/(@types/)?${module}/`},
  };
}

const ERRORS = '^lib/errors(/|\\.ts$)';

module.exports = {
  forbidden: [
    only('protocol-is-pure', '^lib/protocol/', ['^lib/protocol/'], {
      core: false,
      comment: 'the rules know neither Node nor any package: the simulator runs the same modules',
    }),
    only('guardian-is-bare', '^lib/guardian/', ['^lib/guardian/', '^lib/protocol/'], {
      core: true,
      comment: 'the guardian has to start fast, stay small and depend on nothing that can fail',
    }),
    only('compat-is-pure', '^lib/compat/', ['^lib/compat/', '^lib/protocol/', '^lib/config/(options|units|words)\\.ts$'], {
      core: false,
      comment: 'text in, options out: what HAL and PROM wrote is read without touching anything',
    }),
    only('store-knows-no-roles', '^lib/store/', ['^lib/store/', '^lib/protocol/', ERRORS, '^node_modules/zod/'], {
      core: true,
      comment: 'the store knows paths and bytes, nothing of the agent, the service or the guardian',
    }),
    only(
      'http-and-client-see-the-status',
      '^lib/(http|client)/',
      [
        '^lib/(http|client)/',
        '^lib/agent/status\\.ts$',
        ERRORS,
        '^lib/protocol/',
        '^lib/log/',
        '^lib/store/fields\\.ts$',
        '^node_modules/(hono|@hono|prom-client)/',
      ],
      {core: true, comment: 'they answer from the status and leave requests; they never touch store, guardian or service'},
    ),
    {
      name: 'http-and-client-take-types-of-the-protocol',
      comment: 'the words of the protocol may be checked here, its decisions are not made here',
      severity: 'error',
      from: {path: '^lib/(http|client)/'},
      to: {path: '^lib/(protocol|log)/', pathNot: '^lib/protocol/words\\.ts$', dependencyTypesNot: ['type-only']},
    },
    onlyBelow('winston', '^lib/log/'),
    onlyBelow('yaml', '^lib/config/'),
    onlyBelow('zod', '^lib/(config|store)/'),
    onlyBelow('chokidar', '^lib/config/'),
    onlyBelow('proper-lockfile', '^lib/agent/short-lock\\.ts$'),
    onlyBelow('yargs', '^lib/cli/'),
    onlyBelow('mustache', '^lib/proxy/'),
    {
      name: 'lib-stands-alone',
      comment: 'tests, scripts and examples may import lib, never the reverse',
      severity: 'error',
      from: {path: '^lib/'},
      to: {path: '^(test|scripts|examples)/'},
    },
    {
      name: 'lib-ships-without-dev-tools',
      comment: 'what lib imports must be in dependencies',
      severity: 'error',
      from: {path: '^lib/'},
      to: {dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only']},
    },
    {
      name: 'no-cycles',
      comment: 'a cycle hides which part rests on which; the actors of the simulated world call each other, as processes do',
      severity: 'error',
      from: {pathNot: '^test/sim/'},
      to: {circular: true},
    },
    {
      name: 'no-unresolvable',
      comment: 'the file or package is not there; examples import this very package, whose exports lead to what the build makes',
      severity: 'error',
      from: {},
      to: {couldNotResolve: true, pathNot: '^ha-agent/client$'},
    },
  ],
  options: {
    doNotFollow: {path: 'node_modules'},
    exclude: {path: '^(dist|\\.build-[^/]*)/'},
    tsPreCompilationDeps: true,
    tsConfig: {fileName: 'tsconfig.json'},
    enhancedResolveOptions: {exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types']},
  },
};

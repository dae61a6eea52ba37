// Who may import whom: the table of folders, enforced on the whole graph, type-only and dynamic imports included.

/** A rule that allows a folder nothing but what `allowed` matches; Node built-ins and libraries have rules of their own. */
function folder(name, allowed, comment, from = {}) {
  return {
    name: `${name}-imports`,
    comment: `${name}/ may import ${comment}`,
    severity: 'error',
    from: { path: `^${name}/`, ...from },
    to: { pathNot: [...allowed, 'node_modules'], dependencyTypesNot: ['core'] },
  };
}

/** A folder of which only the types may be imported, because they vanish when compiled. */
function typesOnly(name, other) {
  return {
    name: `${name}-only-types-of-${other}`,
    comment: `${name}/ may import types of ${other}/, with \`import type\``,
    severity: 'error',
    from: { path: `^${name}/` },
    to: { path: `^${other}/`, dependencyTypesNot: ['type-only'] },
  };
}

const demo = '^examples/mail-triage/demo[.]ts$';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'a cycle has no order of loading; one that types alone close is gone after the compiler',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'domain-is-pure',
      comment: 'domain/ imports only itself: no Node built-ins, no libraries',
      severity: 'error',
      from: { path: '^domain/' },
      to: { pathNot: '^domain/' },
    },
    {
      name: 'domain-has-no-barrel',
      comment: 'import the file that has the concept',
      severity: 'error',
      from: {},
      to: { path: ['^domain/index[.]ts$', '^domain/.+/index[.]ts$'] },
    },
    {
      name: 'workflows-are-deterministic',
      comment: 'no Node built-ins in workflows/',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'workflows-libraries',
      comment: 'workflows/ may use zod, @noble/curves and @temporalio/workflow and common, nothing else',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: 'node_modules/', pathNot: 'node_modules/(zod|@noble/curves|@temporalio/(workflow|common))/' },
    },
    folder(
      'workflows',
      ['^workflows/', '^domain/', '^activities/', '^gateway/protocol[.]ts$'],
      'domain/, types of activities/ and of gateway/protocol',
    ),
    typesOnly('workflows', 'activities'),
    typesOnly('workflows', 'gateway'),
    folder(
      'activities',
      ['^activities/', '^domain/', '^workflows/contract(/|[.]ts$)', '^gateway/protocol[.]ts$'],
      'domain/, workflows/contract/ and types of gateway/protocol',
    ),
    typesOnly('activities', 'gateway'),
    folder(
      'adapters',
      ['^adapters/', '^domain/', '^activities/ports[.]ts$', '^gateway/protocol[.]ts$'],
      'activities/ports, domain/ and gateway/protocol',
    ),
    folder('gateway', ['^gateway/', '^domain/'], 'domain/'),
    folder(
      'api',
      ['^api/', '^domain/', '^workflows/contract(/|[.]ts$)', '^activities/ports[.]ts$'],
      'workflows/contract/, activities/ports and domain/',
    ),
    folder('workers', ['^(workers|domain|workflows|activities|adapters|gateway|api)/'], 'all product folders but cli/'),
    folder(
      'cli',
      ['^cli/', '^workers/', '^workflows/contract(/|[.]ts$)', '^api/'],
      'workflows/contract/, workers/ and types of api/',
    ),
    typesOnly('cli', 'api'),
    folder(
      'console',
      [
        '^console/',
        '^api/',
        '^cli/(render|story|report)/',
        '^cli/(api-client|exit-codes|failure|service-condition)[.]ts$',
      ],
      'types of api/, and of cli/ what makes sentences of answers (the bundler refuses Node built-ins in it)',
    ),
    typesOnly('console', 'api'),
    folder('examples', ['^examples/'], 'nothing of the product', { pathNot: demo }),
    {
      name: 'demo-imports',
      comment: 'the one file of the example that starts the product: it uses cli/ and workers/ only',
      severity: 'error',
      from: { path: demo },
      to: { pathNot: ['^examples/', '^cli/', '^workers/', 'node_modules'], dependencyTypesNot: ['core'] },
    },
    {
      name: 'no-development-libraries',
      comment: 'the product must run without the development dependencies',
      severity: 'error',
      from: { path: '^(domain|workflows|activities|adapters|gateway|api|workers|cli)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    // Sees imports of types too, which are gone after the compiler.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['require', 'node', 'default', 'types'] },
  },
};

// Who may import whom. Arrows point one way: main → app → features → database, errors.

const server = (path) => `^server/src/${path}`;

export default {
  forbidden: [
    {
      name: 'no-circles',
      comment: 'A loop of imports cannot be read from any side.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'only-main-starts',
      comment: 'Nothing but the command line imports the process.',
      severity: 'error',
      from: { pathNot: server('cli\\.ts$') },
      to: { path: server('main\\.ts$') },
    },
    {
      name: 'nothing-imports-the-app',
      comment: 'The composition root stands above all but main, the command line and tests.',
      severity: 'error',
      from: { path: server(''), pathNot: server('(main|cli|commands/|testing/|demo/|.*\\.test)') },
      to: { path: server('app\\.ts$') },
    },
    {
      name: 'rules-are-pure',
      comment: 'rules/ knows the database only by types and the catalogue’s own query.',
      severity: 'error',
      from: { path: server('rules/'), pathNot: server('rules/(.*-store|.*\\.test)\\.ts$') },
      to: {
        path: server(
          '(http|profiles|groups|activities|evaluation|applications|attributes|events|facts|membership|queue|producers|statistics)/',
        ),
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'files-know-no-feature',
      comment: 'The reader of CSV is one for all of them.',
      severity: 'error',
      from: { path: server('files/'), pathNot: '\\.test\\.ts$' },
      to: { path: server('[a-z]+/'), pathNot: server('files/'), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'database-knows-no-feature',
      severity: 'error',
      from: { path: server('database/'), pathNot: '\\.test\\.ts$' },
      to: {
        path: server(
          '(profiles|groups|activities|evaluation|applications|attributes|events|facts|membership|queue|producers|statistics|http)/',
        ),
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'http-knows-no-feature',
      comment: 'app.ts hands the routes in.',
      severity: 'error',
      from: { path: server('http/'), pathNot: '\\.test\\.ts$' },
      to: {
        path: server(
          '(profiles|groups|activities|evaluation|attributes|events|facts|membership|queue|producers|statistics)/',
        ),
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'evaluation-is-above-the-features',
      comment: 'What features need of it stands in groups/dynamic.ts and is handed in by app.ts.',
      severity: 'error',
      from: {
        path: server(
          '(profiles|groups|activities|applications|attributes|credentials|events|facts|membership|queue|producers)/',
        ),
        pathNot: '\\.test\\.ts$',
      },
      to: { path: server('evaluation/') },
    },
    {
      name: 'production-uses-no-test',
      severity: 'error',
      from: { path: '^(server|sdk|console)/src/', pathNot: '(\\.test\\.tsx?$|/testing[./])' },
      to: { path: '(\\.test\\.tsx?$|/testing[./])' },
    },
    {
      name: 'console-is-a-client',
      comment: 'The console has no privileges: it knows the SDK, never the server.',
      severity: 'error',
      from: { path: '^console/src/' },
      to: { path: '^server/' },
    },
    {
      name: 'sdk-stands-alone',
      severity: 'error',
      from: { path: '^sdk/src/', pathNot: '(\\.test\\.ts$|/testing/)' },
      to: { path: '^(server|console)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    exclude: { path: '(^|/)dist/' },
    enhancedResolveOptions: { extensions: ['.ts', '.tsx', '.js', '.mjs', '.json'] },
  },
};

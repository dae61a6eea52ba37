// What the code of each folder may do. Who may import whom is decided, with the whole graph in view, by
// .dependency-cruiser.cjs; the imports restricted here are the same table for the editor.
import importX, { createNodeResolver } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** Folder → the folders that its files may import, itself included. */
const mayImport = {
  domain: ['domain'],
  workflows: ['workflows', 'domain', 'activities (types)', 'gateway (types)'],
  activities: ['activities', 'domain', 'workflows/contract', 'gateway (types)'],
  adapters: ['adapters', 'domain', 'activities/ports', 'gateway/protocol'],
  gateway: ['gateway', 'domain'],
  api: ['api', 'domain', 'workflows/contract', 'activities/ports'],
  workers: ['workers', 'domain', 'workflows', 'activities', 'adapters', 'gateway', 'api'],
  cli: ['cli', 'workers', 'workflows/contract', 'api (types)'],
  // Sentences are made once: the words of the command line, which the bundler keeps free of everything of Node.
  console: ['console', 'api (types)', 'cli'],
  examples: ['examples'],
};
const folders = [...Object.keys(mayImport), 'test', 'bench'];
const product = Object.keys(mayImport).map((folder) => `${folder}/**/*.ts`);

function restrictedImports(folder) {
  const patterns = folders
    .filter((other) => other !== folder)
    .flatMap((other) => {
      const allowed = mayImport[folder].filter((entry) => entry.split(/[/ ]/)[0] === other);
      if (allowed.includes(other)) return [];
      const parts = allowed.filter((entry) => entry.includes('/')).map((entry) => entry.slice(other.length + 1));
      const exceptions = parts.length === 0 ? '' : `(?!(?:${parts.join('|')})(?:/|$))`;
      return [
        {
          regex: `^(?:\\.\\./)+${other}/${exceptions}`,
          allowTypeImports: allowed.some((entry) => entry.endsWith('(types)')),
          message: `${folder}/ may import only ${mayImport[folder].join(', ')}.`,
        },
      ];
    });
  if (folder === 'domain' || folder === 'workflows') {
    const message = `${folder}/ is deterministic: no Node built-ins.`;
    patterns.push({ regex: '^(?:node:|(?:fs|path|os|crypto|net|http|https|child_process|util|events)$)', message });
  }
  if (folder === 'domain') patterns.push({ regex: '^[^.]', message: 'domain/ is pure: it imports only itself.' });
  const paths = [{ name: 'node:process', importNames: ['env'], message: readOnlyInEnvironment }];
  return { '@typescript-eslint/no-restricted-imports': ['error', { paths, patterns }] };
}

const coreRules =
  'eqeqeq no-async-promise-executor no-cond-assign no-constant-condition no-control-regex no-dupe-else-if no-empty no-empty-pattern no-fallthrough no-loss-of-precision no-misleading-character-class no-prototype-builtins no-self-assign no-sparse-arrays no-unsafe-finally no-useless-catch no-useless-escape'.split(
    ' ',
  );
const readOnlyInEnvironment = 'Only workers/environment.ts reads the environment.';
const noEnums = { selector: 'TSEnumDeclaration', message: 'Use a union of strings.' };
const noPlainErrors = ['NewExpression', 'CallExpression'].map((type) => ({
  selector: `ThrowStatement > ${type}[callee.name='Error']`,
  message: 'A plain Error wedges a workflow task: throw ApplicationFailure, or return a value.',
}));
const noClock = [
  {
    selector: "NewExpression[callee.name='Date'][arguments.length=0]",
    message: 'domain/ has no clock: take the time.',
  },
  { selector: 'ExportAllDeclaration', message: 'domain/ has no barrel files.' },
  { selector: 'ExportNamedDeclaration[source]', message: 'domain/ has no barrel files.' },
];
const impureGlobals = 'performance process fetch setTimeout setInterval setImmediate queueMicrotask crypto console'
  .split(' ')
  .map((name) => ({ name, message: 'domain/ is pure.' }));
const processEnv = { object: 'process', property: 'env', message: readOnlyInEnvironment };

export default tseslint.config(
  { ignores: ['**/dist/', '**/node_modules/', 'coverage/', '.cache/', '.lastgood/', '**/.cache/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    plugins: { 'import-x': importX },
    languageOptions: {
      parserOptions: { project: ['./tsconfig.json', './console/tsconfig.json'], tsconfigRootDir: import.meta.dirname },
    },
    settings: {
      'import-x/extensions': ['.ts'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
      'import-x/resolver-next': [createNodeResolver({ extensions: ['.ts', '.js', '.json'] })],
    },
    rules: {
      ...Object.fromEntries(coreRules.map((name) => [name, 'error'])),
      'no-restricted-syntax': ['error', noEnums],
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // The compiler reports these, with the same exceptions for a leading underscore.
      '@typescript-eslint/no-unused-vars': 'off',
    },
  },
  ...Object.keys(mayImport).map((folder) => ({ files: [`${folder}/**/*.ts`], rules: restrictedImports(folder) })),
  {
    files: product,
    rules: {
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
      'no-restricted-properties': ['error', processEnv],
    },
  },
  { files: ['workers/environment.ts'], rules: { 'no-restricted-properties': 'off' } },
  {
    // The one file of the example that starts the product around it.
    files: ['examples/mail-triage/demo.ts'],
    rules: { '@typescript-eslint/no-restricted-imports': 'off' },
  },
  { files: ['workflows/**/*.ts'], rules: { 'no-restricted-syntax': ['error', noEnums, ...noPlainErrors] } },
  {
    files: ['domain/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', noEnums, ...noClock],
      'no-restricted-globals': ['error', ...impureGlobals],
      'no-restricted-properties': [
        'error',
        processEnv,
        { object: 'Math', property: 'random', message: 'domain/ has no chance: take the number.' },
        { object: 'Date', property: 'now', message: 'domain/ has no clock: take the time.' },
      ],
    },
  },
);

// What the linter insists on: typescript-eslint's strictest typed rules, because a promise that nobody awaits is a
// safety defect here, tuned where a rule fights Node or chai rather than mistakes.
import js from '@eslint/js';
import {defineConfig, globalIgnores} from 'eslint/config';
import tseslint from 'typescript-eslint';

const TYPED = ['**/*.ts', '**/*.cts', '**/*.mts'];

const readonly = (...names) => Object.fromEntries(names.map((name) => [name, 'readonly']));
const timers = readonly('setTimeout', 'clearTimeout', 'setInterval', 'clearInterval');
const nodeGlobals = {...timers, ...readonly('Buffer', 'URL', 'AbortController', 'console', 'fetch', 'performance', 'process')};
const browserGlobals = {
  ...timers,
  ...readonly('document', 'window', 'location', 'localStorage', 'fetch', 'EventSource', 'confirm'),
};

export default defineConfig(
  globalIgnores(['dist/', 'node_modules/', '.build-*/', '.cluster/']),
  {
    // No exceptions in the code: a rule that needs them is changed here, where everybody sees it.
    linterOptions: {noInlineConfig: true},
  },
  {ignores: ['lib/http/**'], languageOptions: {globals: nodeGlobals}},
  // The pages of the console run as they are.
  {files: ['lib/http/**/*.js'], languageOptions: {globals: browserGlobals}},
  js.configs.recommended,
  {
    rules: {
      eqeqeq: 'error',
      'no-control-regex': 'off', // what comes from the store is searched for control characters
    },
  },
  {
    files: TYPED,
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {parserOptions: {projectService: true, tsconfigRootDir: import.meta.dirname}},
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': ['error', {considerDefaultExhaustiveForUnions: true}],
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/restrict-template-expressions': ['error', {allowNumber: true, allowBoolean: true, allowNullish: true}],
      '@typescript-eslint/no-confusing-void-expression': 'off', // `return fail(...)` is clear enough
      '@typescript-eslint/no-unnecessary-type-parameters': 'off', // typed accessors name what they return
      '@typescript-eslint/no-unnecessary-condition': ['error', {allowConstantLoopConditions: 'only-allowed-literals'}],
      // An async function turns what it throws into a rejection, which a port's method has to do even without an await.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', {argsIgnorePattern: '^_', ignoreRestSiblings: true}],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'TSAsExpression > TSAsExpression.expression > TSUnknownKeyword.typeAnnotation',
          message: 'narrow it with a check instead of "as unknown as".',
        },
      ],
    },
  },
  {
    files: ['lib/**/*.ts', 'lib/**/*.cts'],
    ignores: ['lib/cli/**'],
    rules: {'no-console': 'error'},
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unused-expressions': 'off', // expect(x).to.be.true
      '@typescript-eslint/no-non-null-assertion': 'off', // a test that is wrong about it fails
    },
  },
);

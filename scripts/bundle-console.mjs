// Makes the operator's page: one script, one style sheet, and the files beside them, in dist/console (or the first argument).
// Left out when nothing that goes into it changed. With webpack and swc, which Temporal's worker brings along.
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const copied = ['index.html', 'icon.svg'];
const limitBytes = 400_000;

if (process.argv[1] === fileURLToPath(import.meta.url))
  await bundleConsole(process.argv[2] ?? join(root, 'dist/console'));

/** @throws Error with what the bundler says. */
export async function bundleConsole(out) {
  const inputs = join(out, 'inputs.json');
  if (existsSync(inputs) && sameInputs(JSON.parse(readFileSync(inputs, 'utf8')))) return;
  mkdirSync(out, { recursive: true });
  const files = await bundleScript(out);
  const chart = readFileSync(require.resolve('uplot/dist/uPlot.min.css'), 'utf8');
  // A file appears when it is whole: a controller that starts meanwhile reads the old one.
  writeFileSync(join(out, 'console.css.new'), `${chart}\n${readFileSync(join(root, 'console/console.css'), 'utf8')}`);
  renameSync(join(out, 'console.css.new'), join(out, 'console.css'));
  for (const name of copied) copyFileSync(join(root, 'console', name), join(out, name));
  const all = [
    ...files,
    ...['console.css', ...copied].map((name) => `console/${name}`),
    'package-lock.json',
    'scripts/bundle-console.mjs',
  ];
  writeFileSync(inputs, JSON.stringify(Object.fromEntries(all.map((file) => [file, digestOf(join(root, file))]))));
  console.log(`console: ${(readFileSync(join(out, 'console.js')).length / 1024).toFixed(0)} KiB`);
}

function sameInputs(known) {
  return Object.entries(known).every(
    ([file, digest]) => existsSync(join(root, file)) && digestOf(join(root, file)) === digest,
  );
}

/** Resolves to the sources that went into it, from the project's root. */
function bundleScript(out) {
  const { webpack } = require('webpack');
  const compiler = webpack({
    context: root,
    mode: 'production',
    // `eval` of source maps would need a hole in the policy of the page.
    devtool: false,
    // A Node built-in cannot be resolved for a browser: what the page takes from cli/ must be words only.
    target: ['web', 'es2022'],
    entry: join(root, 'console/main.ts'),
    output: { path: out, filename: 'console.js.new', iife: true },
    resolve: { extensions: ['.ts', '.js'] },
    module: {
      rules: [
        {
          test: /\.ts$/,
          loader: require.resolve('swc-loader'),
          options: { jsc: { target: 'es2022', parser: { syntax: 'typescript' } } },
        },
      ],
    },
    optimization: { minimize: false },
    performance: { maxAssetSize: limitBytes, maxEntrypointSize: limitBytes, hints: 'error' },
  });
  return new Promise((resolve, reject) => {
    compiler.run((error, stats) => {
      compiler.close(() => undefined);
      if (error || stats.hasErrors()) return reject(error ?? new Error(stats.toString({ all: false, errors: true })));
      renameSync(join(out, 'console.js.new'), join(out, 'console.js'));
      const sources = [...stats.compilation.fileDependencies].map((file) => relative(root, file));
      resolve(
        sources.filter((file) => !file.startsWith('..') && /\.(ts|js)$/.test(file) && !file.includes('node_modules')),
      );
    });
  });
}

function digestOf(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

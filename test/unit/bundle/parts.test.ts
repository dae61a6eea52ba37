import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PackageMissing, productionPackages } from '../../../workers/bundle/packages';
import { packageFiles } from '../../../workers/bundle/product-files';
import { tarOf } from '../../../workers/bundle/tar';
import { removeTemporary, temporaryDirectory } from '../../support/temporary';

afterAll(removeTemporary);

function tree(files: Readonly<Record<string, string | object>>): string {
  const root = temporaryDirectory('packages');
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return root;
}

test('every tar reads the archive: long names, empty files, bytes that fill a block, and the mode', async () => {
  const root = tree({ big: 'x'.repeat(1024) });
  const long = `${'a-long-folder/'.repeat(12)}file`;
  const entries = [
    { path: long, executable: false, content: Buffer.from('long') },
    { path: 'empty', executable: false, content: Buffer.alloc(0) },
    { path: 'run', executable: true, content: { file: join(root, 'big'), bytes: 1024 } },
  ];
  const parts: Buffer[] = [];
  for await (const part of tarOf(entries)) parts.push(part);
  writeFileSync(join(root, 'a.tar'), Buffer.concat(parts));
  const listed = execFileSync('tar', ['-tvf', 'a.tar'], { cwd: root, encoding: 'utf8', env: { TZ: 'UTC' } });
  expect(listed).toContain(long);
  expect(listed).toMatch(/^-rwxr-xr-x .*1024 2000-01-01 .*run$/m);
  execFileSync('tar', ['-xf', 'a.tar'], { cwd: root });
  expect(readFileSync(join(root, long), 'utf8')).toBe('long');
  expect(readFileSync(join(root, 'run'), 'utf8')).toBe('x'.repeat(1024));
});

test('a file that grows while it is packed is a fault, and not another file in the archive', async () => {
  const root = tree({ log: 'more than was there' });
  const pack = async (): Promise<void> => {
    for await (const part of tarOf([
      { path: 'log', executable: false, content: { file: join(root, 'log'), bytes: 4 } },
    ]))
      expect(part.length).toBeGreaterThan(0);
  };
  await expect(pack()).rejects.toThrow('it changed meanwhile');
});

const libsql = {
  name: 'libsql',
  version: '0.5.29',
  optionalDependencies: { '@libsql/linux-x64-gnu': '1', '@libsql/linux-x64-musl': '1' },
};
const product = {
  'package.json': {
    name: 'lastgood',
    version: '1.0.0',
    dependencies: { a: '1', libsql: '1' },
    devDependencies: { jest: '1' },
  },
  'node_modules/a/package.json': { name: 'a', version: '1.0.0', dependencies: { b: '2', '@types/node': '1' } },
  'node_modules/a/node_modules/b/package.json': { name: 'b', version: '2.0.0' },
  'node_modules/b/package.json': { name: 'b', version: '1.0.0' },
  'node_modules/jest/package.json': { name: 'jest', version: '1.0.0' },
  'node_modules/@types/node/package.json': { name: '@types/node', version: '1.0.0' },
  'node_modules/libsql/package.json': libsql,
  'node_modules/@libsql/linux-x64-gnu/package.json': {
    name: '@libsql/linux-x64-gnu',
    version: '1.0.0',
    os: ['linux'],
    cpu: ['x64'],
  },
  'node_modules/@libsql/linux-x64-musl/package.json': {
    name: '@libsql/linux-x64-musl',
    version: '1.0.0',
    os: ['linux'],
    cpu: ['x64'],
  },
};

test('packages are found where Node finds them; those for development and for other machines stay away', () => {
  const paths = productionPackages(tree(product), ['linux-x64']).map(({ path }) => path);
  expect(paths).toEqual([
    'node_modules/@libsql/linux-x64-gnu',
    'node_modules/a',
    'node_modules/a/node_modules/b',
    'node_modules/libsql',
  ]);
});

test('a package that is missing is told with what needs it, and one for another platform with the command that gets it', () => {
  const root = tree({
    ...product,
    'node_modules/a/package.json': { name: 'a', version: '1', dependencies: { gone: '1' } },
  });
  expect(() => productionPackages(root, ['linux-x64'])).toThrow(
    new PackageMissing(`gone, which a needs, is not installed in ${root}: run \`npm ci --omit=dev\``),
  );
  expect(() => productionPackages(tree(product), ['linux-x64', 'linux-arm64'])).toThrow(
    '--platforms linux-arm64: @libsql/linux-arm64-gnu is not installed here: run `npm install --no-save --force @libsql/linux-arm64-gnu@0.5.29` first',
  );
});

test('of a package goes along what is loaded, and its licence; of the native library only the platforms asked for', () => {
  const at = 'node_modules/@temporalio/core-bridge';
  const root = tree({
    ...Object.fromEntries(
      ['index.js', 'LICENSE.md', 'x.d.ts', 'README.md', 'a/x.js.map', 'a/x.js'].map((name) => [`p/${name}`, 'x']),
    ),
    [`${at}/releases/x86_64-unknown-linux-gnu/index.node`]: 'x',
    [`${at}/releases/aarch64-apple-darwin/index.node`]: 'x',
    [`${at}/sdk-core/lib.rs`]: 'x',
    [`${at}/lib/index.js`]: 'x',
  });
  const paths = (name: string, directory: string): string[] =>
    packageFiles(root, { name, version: '1', directory: join(root, directory), path: directory }, ['linux-x64']).map(
      ({ path }) => path,
    );
  expect(paths('p', 'p')).toEqual(['p/LICENSE.md', 'p/a/x.js', 'p/index.js']);
  expect(paths('@temporalio/core-bridge', at)).toEqual([
    `${at}/lib/index.js`,
    `${at}/releases/x86_64-unknown-linux-gnu/index.node`,
  ]);
});

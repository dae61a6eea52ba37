import { join, relative } from 'node:path';
import { workflowBundle } from '../support/workflow-bundle';

jest.setTimeout(60_000);

const root = join(__dirname, '..', '..');
/** What may be in code that must be deterministic; everything else would be there by accident. */
const allowed: readonly RegExp[] = [
  /^(workflows|domain)\//,
  /^node_modules\/(zod|@noble\/(curves|hashes)|@temporalio\/(workflow|common|worker)|nexus-rpc|ms|long)\//,
];
/** Measured: 2.1 MB of code, the arithmetic of signatures in it; the rest of the bundle is its source map. */
const LIMIT_BYTES = 2_300_000;

describe('the bundle of the workflows', () => {
  it('holds workflows, domain, zod and the SDK, no Node built-in, and stays small', async () => {
    const { code } = await workflowBundle(join(root, 'workflows', 'index.ts'));
    const modules = modulesOf(code);
    expect(modules.filter((path) => !allowed.some((pattern) => pattern.test(path)))).toEqual([]);
    for (const name of ['service', 'rollback', 'retirement', 'detection', 'cache-repair'])
      expect(modules).toContain(`workflows/${name}.ts`);
    expect(modules).toContain('domain/service/reduce.ts');
    expect(code.indexOf('//# sourceMappingURL')).toBeGreaterThan(0);
    expect(code.indexOf('//# sourceMappingURL')).toBeLessThan(LIMIT_BYTES);
  });
});

/** The paths of the modules, from the bundle's own source map; what the bundler adds itself is no module. */
function modulesOf(code: string): string[] {
  const encoded = code.slice(code.lastIndexOf('base64,') + 'base64,'.length).trim();
  const { sources } = JSON.parse(Buffer.from(encoded, 'base64').toString()) as { sources: string[] };
  return sources
    .map((source) => source.replace(/^webpack:\/\/[^/]*\//, ''))
    .filter((source) => !/^(webpack\/|ignored\|)/.test(source))
    .map((source) => (source.startsWith('/') ? relative(root, source) : source.replace(/^\.\//, '')))
    .sort();
}

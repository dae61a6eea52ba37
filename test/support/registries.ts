import { join } from 'node:path';
import { openDirectoryStore, type DirectoryStore } from '../../adapters/artifacts/directory-store';
import { RegistryRecords } from '../../adapters/artifacts/registry/records';
import type { Registry } from '../../adapters/artifacts/registry/registry';
import type { ImportRules } from '../../adapters/artifacts/registry/reports';
import type { SyncOptions } from '../../adapters/artifacts/registry/sync';
import { artifactFiles } from './artifact-directory';
import { temporaryDirectory } from './temporary';

export const rules: ImportRules = {
  service: 'mail',
  engine: 'open-inference',
  model: 'mail',
  preprocessing: { text: '2' },
  evaluation: { from: 'file', file: 'evaluation.json' },
  probes: 'probes.json',
  profile: 'profile.json',
};

/** Names of figures as a team might have chosen them. */
export const figureNames = {
  classes: ['ham', 'spam'],
  accuracy: 'accuracy',
  n: 'n',
  recall: 'recall_{class}',
  precision: 'precision_{class}',
  classN: 'param:n_{class}',
};
export const goodMetrics = {
  accuracy: 0.9,
  n: 200,
  recall_ham: 0.95,
  recall_spam: 0.85,
  precision_ham: 0.86,
  precision_spam: 0.94,
};
export const classCounts = { n_ham: '100', n_spam: '100' };

/** The files of a whole version, without a manifest. */
export function versionFiles(seed: string): Record<string, Buffer | string> {
  return Object.fromEntries(Object.entries(artifactFiles(seed)).map(([path, { content }]) => [path, content]));
}

/** The same without what nobody logs into a model. */
export function bareFiles(seed: string): Record<string, Buffer | string> {
  const { 'evaluation.json': _evaluation, 'profile.json': _profile, ...files } = versionFiles(seed);
  return files;
}

export interface StoreRig {
  readonly root: string;
  readonly store: DirectoryStore;
  readonly pulling: Pick<
    SyncOptions,
    'registry' | 'store' | 'rules' | 'stagingDirectory' | 'limits' | 'signal' | 'records'
  >;
  sync(more?: Partial<SyncOptions>): SyncOptions;
}

/** An empty store on a new directory, and what a pull and a look from this registry are asked with. */
export async function storeRig(registry: Registry, more: Partial<ImportRules> = {}): Promise<StoreRig> {
  const root = temporaryDirectory('store');
  const store = await openDirectoryStore({ directory: root });
  const pulling = {
    registry,
    store,
    rules: { ...rules, ...more },
    stagingDirectory: join(root, 'staging'),
    limits: { fileBytes: 1024 ** 2, totalBytes: 4 * 1024 ** 2 },
    signal: new AbortController().signal,
    records: new RegistryRecords(root),
  };
  return {
    root,
    store,
    pulling,
    sync: (part = {}) => ({
      ...pulling,
      now: Date.now,
      keep: 3,
      lookBack: 10,
      follow: [],
      judge: ({ evaluation, probes }) => ({
        ok: (evaluation?.accuracy ?? 0) >= 0.8 && probes > 0,
        why: evaluation === null ? 'it has no evaluation report' : `accuracy ${evaluation.accuracy}`,
      }),
      choosable: () => true,
      standing: () => null,
      writeBack: true,
      dryRun: false,
      ...part,
    }),
  };
}

import { claimLayout, type LayoutMigration } from '../adapters/disk/layout-file';
import { packageVersion } from './program';

/** Of everything below `dataDir` that has no version of its own: records, journals, notes. */
const migrations: readonly LayoutMigration[] = [];

export const dataDirectorySchema = migrations.length + 1;

/** Before anything in it is read. Rejects with `LayoutUnknown` where a newer lastgood wrote it. */
export async function claimDataDirectory(dataDir: string): Promise<void> {
  await claimLayout(dataDir, { what: 'the data directory', release: packageVersion(), migrations });
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { LEDGER_SCHEMA } from '../adapters/ledger/schema';
import type { Release } from '../api/types';
import { CONTROL_PREFIX } from '../gateway/protocol';
import { NEWEST_RULES } from '../workflows/contract/inputs';
import { distDirectory, packageVersion } from './program';

const builtSchema = z.object({ commit: z.string().nullable() });

/** What this is, in the numbers that must fit together when releases meet (docs/operations.md: upgrading). */
export function releaseFacts(): Release {
  return {
    version: packageVersion(),
    commit: builtFrom(),
    api: 1,
    control: Number(/v(\d+)$/.exec(CONTROL_PREFIX)?.[1]),
    rules: NEWEST_RULES,
    ledgerSchema: LEDGER_SCHEMA,
    node: process.versions.node,
  };
}

/** `git describe` when this was built; null where that was no repository, or nothing was built. */
function builtFrom(): string | null {
  try {
    return builtSchema.parse(JSON.parse(readFileSync(join(distDirectory(), 'build.json'), 'utf8'))).commit;
  } catch {
    return null;
  }
}

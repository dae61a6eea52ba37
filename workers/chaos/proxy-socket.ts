import { join } from 'node:path';
import type { RunPaths } from '../embedded/paths';

/** Where a chaos proxy takes orders. */
export function chaosProxySocket(paths: Pick<RunPaths, 'socketDir'>, name: string): string {
  return join(paths.socketDir, `chaos-${name}.sock`);
}

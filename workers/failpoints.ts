import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type { PreparedTarget } from '../workflows/contract/activities';

/**
 * For fault tests only: where `LASTGOOD_FAILPOINTS` names a directory, a file `<activity>.before` or `<activity>.after`
 * there makes the process kill itself the next time it reaches that activity, before its effect or after it (the effect
 * happened, its completion is lost). The file is renamed to `….hit` first, so that each one kills once, and only one
 * process. A file `<activity>.hold` makes the next one stand still before its effect: the file is renamed to `….held`, and
 * when that is removed it goes on. Without the variable nothing of this is installed.
 */
export function failpoints(directory: string): ActivityInterceptorsFactory {
  return (context) => ({
    inbound: {
      async execute(input, next) {
        const { activityType } = context.info;
        // The three steps in one call have no place between them: each is then made by itself, as a slow copy's are.
        if (activityType === 'prepareTarget' && isToBeHeld(directory, PREPARING)) return NOT_PREPARED;
        await holdIfArmed(join(directory, activityType));
        killIfArmed(join(directory, `${activityType}.before`));
        const result: unknown = await next(input);
        killIfArmed(join(directory, `${activityType}.after`));
        return result;
      },
    },
  });
}

const PREPARING = ['validateArtifact', 'loadTarget', 'probeInstance'];
const NOT_PREPARED: PreparedTarget = { validate: null, load: null, probe: null, failed: null };

function isToBeHeld(directory: string, activities: readonly string[]): boolean {
  return activities.some((name) => existsSync(join(directory, `${name}.hold`)));
}

/** Whoever armed it may have died. */
const HELD_AT_MOST_MS = 20_000;
const POLL_MS = 10;

async function holdIfArmed(file: string): Promise<void> {
  if (!existsSync(`${file}.hold`)) return;
  try {
    renameSync(`${file}.hold`, `${file}.held`);
  } catch {
    // Another activity of the same name was first.
    return;
  }
  const deadline = performance.now() + HELD_AT_MOST_MS;
  while (existsSync(`${file}.held`) && performance.now() < deadline) await pause(POLL_MS);
}

function killIfArmed(file: string): void {
  if (!existsSync(file)) return;
  try {
    renameSync(file, `${file}.hit`);
  } catch {
    // Another activity of the same name was first: that process dies, this one does not have to.
    return;
  }
  process.kill(process.pid, 'SIGKILL');
}

import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StepHold } from './world';

/** The activity that does the work of each step. `settle` only waits for the ledger. */
const activityOf: Readonly<Record<string, string>> = {
  validate: 'validateArtifact',
  load: 'loadTarget',
  probe: 'probeInstance',
  shadow: 'shadowReplay',
  shift: 'shiftTraffic',
  verify: 'verifyShift',
};

/** By the failpoints of the workers (`LASTGOOD_FAILPOINTS`); a step without an activity of its own cannot be held. */
export function failpointHold(directory: string): StepHold {
  let armed: string | null = null;
  const file = (activity: string, ending: 'hold' | 'held'): string => join(directory, `${activity}.${ending}`);
  return {
    arm(step) {
      armed = activityOf[step] ?? null;
      if (armed === null) return;
      rmSync(file(armed, 'held'), { force: true });
      writeFileSync(file(armed, 'hold'), '');
    },
    isHeld: () => armed !== null && existsSync(file(armed, 'held')),
    release() {
      if (armed === null) return;
      rmSync(file(armed, 'hold'), { force: true });
      rmSync(file(armed, 'held'), { force: true });
      armed = null;
    },
  };
}

import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { ServingRuntime } from '../../activities/ports';
import { readTextIfThere, writeFileAtomic } from '../disk/atomic-file';
import { withFileLock } from '../disk/file-lock';

const released = z.array(z.string());
const limitBytes = 1024 * 1024;
const lockWaitMs = 10_000;

/**
 * A runtime that knows which copies a `detach` has let go of: their labels and environment cannot be taken off while they run,
 * so their names are noted, and from then on they are nobody's: never listed as ours, never stopped.
 */
export function withReleases(runtime: ServingRuntime, file: string): ServingRuntime {
  const names = async (): Promise<string[]> => {
    const text = await readTextIfThere(file, limitBytes);
    return text === null ? [] : released.parse(JSON.parse(text));
  };
  return {
    ...runtime,
    async inspect(service) {
      const [found, gone] = [await runtime.inspect(service), await names()];
      if (gone.length === 0) return found;
      const isGone = ({ instance }: { instance: string }): boolean => gone.includes(instance);
      const foreign = found.instances
        .filter((one) => isGone(one) && one.state !== 'exited')
        .map(({ instance }) => ({ what: instance, why: 'lastgood was detached from it' }));
      return { instances: found.instances.filter((one) => !isGone(one)), foreign: [...found.foreign, ...foreign] };
    },
    async stop(instance, limits) {
      if ((await names()).includes(instance))
        return {
          outcome: 'refused',
          why: `lastgood was detached from ${instance} while it ran; stop it where it runs`,
        };
      return await runtime.stop(instance, limits);
    },
    async release(instance) {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await withFileLock(`${file}.lock`, lockWaitMs, async () => {
        const before = await names();
        if (!before.includes(instance)) await writeFileAtomic(file, `${JSON.stringify([...before, instance])}\n`);
      });
      // What can be taken off is: the name is noted first, so that nobody finds it half ours.
      return (await runtime.release?.(instance)) ?? { outcome: 'released', why: '' };
    },
  };
}

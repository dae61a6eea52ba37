import { LockTimedOut, lockState, withFileLock } from '../../adapters/disk/file-lock';

/** Another supervisor holds the data directory. */
export class DataDirectoryHeld extends Error {
  override readonly name = 'DataDirectoryHeld';
}

/** Takes the data directory for this process; the lock of a process that died is broken. */
export async function holdDataDirectory(dataDir: string, lockFile: string): Promise<{ release(): Promise<void> }> {
  let taken: () => void = () => undefined;
  let letGo: () => void = () => undefined;
  const isTaken = new Promise<void>((resolve) => (taken = resolve));
  const isOver = new Promise<void>((resolve) => (letGo = resolve));
  const held = withFileLock(lockFile, 0, async () => {
    taken();
    await isOver;
  });
  try {
    await Promise.race([isTaken, held]);
  } catch (error) {
    if (!(error instanceof LockTimedOut)) throw error;
    const holder = /is held by (.*); gave up/.exec(error.message)?.[1] ?? 'another process';
    throw new DataDirectoryHeld(
      `${dataDir} is in use by another \`lastgood up\` (${holder}): stop that one first, or give this one its own dataDir`,
    );
  }
  return {
    release: async () => {
      letGo();
      await held;
    },
  };
}

/** `free` where no `lastgood up` was ever started, or it stopped in order; `abandoned` where it was killed. */
export const supervisorState: (lockFile: string) => Promise<'free' | 'held' | 'abandoned'> = lockState;

import { readFileSync } from 'node:fs';
import { InstanceFiles } from '../../serving/instance-record';
import { findProcess, type Finding } from '../../serving/process-inspection';
import { FaultSelectsNothing } from '../errors';
import type { CopyControl, ServingCopy } from './serving-copies';

type ProcessCopy = Extract<ServingCopy, { how: 'process' }>;

/**
 * Copies that are processes: ours only when pid, start time, boot id and nonce agree with the record of the runtime, asked
 * again immediately before each signal.
 */
export function processCopies(rootOf: (service: string) => string): CopyControl {
  return {
    async find(service, version) {
      const root = rootOf(service);
      const files = new InstanceFiles(root);
      const { records } = await files.all();
      const copies: ServingCopy[] = [];
      for (const record of records.filter((one) => one.version === version)) {
        const found = await findProcess(files, record);
        if (found.is !== 'alive') continue;
        const { instance, nonce } = record;
        copies.push({ how: 'process', root, instance, nonce, pid: found.session });
      }
      return copies;
    },
    async kill(copy) {
      const found = await look(own(copy));
      if (found === null) throw new FaultSelectsNothing(`${copy.instance} ended before it could be killed`);
      for (const { pid } of found.members) signal(pid, 'SIGKILL');
    },
    isGone: async (copy) => (await look(own(copy))) === null,
    async freeze(copy) {
      const found = await look(own(copy));
      if (found === null) throw new FaultSelectsNothing(`${copy.instance} ended before it could be frozen`);
      for (const { pid } of found.members) signal(pid, 'SIGSTOP');
    },
    async thaw(copy) {
      for (const { pid } of (await look(own(copy)))?.members ?? []) signal(pid, 'SIGCONT');
    },
    async isFrozen(copy) {
      const members = (await look(own(copy)))?.members ?? [];
      return members.length > 0 && members.every(({ pid }) => stateOf(pid) === 'T');
    },
  };
}

function own(copy: ServingCopy): ProcessCopy {
  if (copy.how !== 'process') throw new TypeError(`${copy.instance} is no process`);
  return copy;
}

/** Null when it is gone, or when the instance was started anew: that is another process. */
async function look({ root, instance, nonce, pid }: ProcessCopy): Promise<Extract<Finding, { is: 'alive' }> | null> {
  const files = new InstanceFiles(root);
  const record = await files.read(instance);
  if (record === null || record.nonce !== nonce) return null;
  const found = await findProcess(files, record);
  return found.is === 'alive' && found.session === pid ? found : null;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (fault) {
    // It ended between the look and the signal.
    if ((fault as NodeJS.ErrnoException).code !== 'ESRCH') throw fault;
  }
}

/** Field 3 of /proc/PID/stat: `T` is stopped by a signal. */
function stateOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3);
  } catch {
    return null;
  }
}

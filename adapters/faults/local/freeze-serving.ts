import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { z } from 'zod';
import type { DockerConnection } from '../../serving/docker/client';
import { FaultDidNotHappen, FaultRefused, FaultRemains } from '../errors';
import { comesTrue, proof, type FaultMaker } from './fault-maker';
import { allOf, copiesToHit, copiesUndoSchema, namesOf } from './kill-serving';
import type { CopyControl } from './serving-copies';

const undoSchema = copiesUndoSchema.extend({ limitMs: z.number() });
const LIMIT_MAX_MS = 600_000;
const SEEN_WITHIN_MS = 5_000;
const WATCHDOG_READY_MS = 10_000;

/** What the watchdog of a service's copies needs to reach them. */
export type CopyPlace =
  | { readonly how: 'process' }
  | { readonly how: 'container'; readonly connection: DockerConnection; readonly directory: string };

/**
 * Stops every process of a copy (SIGSTOP, `docker pause`): it holds its connections and answers nobody. A process of its
 * own thaws it at the limit, also when the one that froze it has died.
 */
export function freezeServing(options: {
  readonly controlOf: (service: string) => Promise<CopyControl>;
  readonly placeOf: (service: string) => CopyPlace;
  /** Compiled `thaw-watchdog.js`. */
  readonly watchdog: string;
}): FaultMaker<'freeze-serving'> {
  const { controlOf, placeOf, watchdog } = options;
  return {
    async prepare(service, { version, limitMs }) {
      if (limitMs > LIMIT_MAX_MS) throw new FaultRefused(`frozen for ${limitMs} ms: at most ${LIMIT_MAX_MS} ms`);
      const copies = await copiesToHit(await controlOf(service), service, version);
      return { kind: 'freeze-serving', service, target: namesOf(copies), undo: { version, copies, limitMs } };
    },
    async inject({ service, undo }) {
      const control = await controlOf(service);
      const { copies, limitMs } = undoSchema.parse(undo);
      // Before the first signal: nothing may be frozen that nobody would thaw.
      await startWatchdog(watchdog, JSON.stringify({ place: placeOf(service), copies, limitMs }));
      await Promise.all(copies.map((copy) => control.freeze(copy)));
      if (!(await comesTrue(() => allOf(copies, control.isFrozen), SEEN_WITHIN_MS)))
        throw new FaultDidNotHappen(`${namesOf(copies)}: not seen frozen`);
      return proof(`${namesOf(copies)} is frozen, for at most ${limitMs / 1_000} s`, { limitMs });
    },
    async remove({ service, undo }) {
      const control = await controlOf(service);
      const { copies } = undoSchema.parse(undo);
      await Promise.all(copies.map((copy) => control.thaw(copy)));
      const runs = async (): Promise<boolean> => !(await Promise.all(copies.map(control.isFrozen))).includes(true);
      if (!(await comesTrue(runs, SEEN_WITHIN_MS))) throw new FaultRemains(`${namesOf(copies)} is still frozen`);
      return proof(`${namesOf(copies)} runs, or has ended`);
    },
  };
}

/** Resolves when it says that it counts. */
async function startWatchdog(program: string, input: string): Promise<void> {
  const child = spawn(process.execPath, [program, input], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  const signal = AbortSignal.timeout(WATCHDOG_READY_MS);
  try {
    await Promise.race([
      once(child.stdout, 'data', { signal }),
      once(child, 'exit', { signal }).then(([code]) => {
        throw new FaultDidNotHappen(`the watchdog that thaws ended with ${String(code)}; nothing was frozen`);
      }),
    ]);
  } catch (fault) {
    child.kill('SIGKILL');
    throw fault instanceof FaultDidNotHappen
      ? fault
      : new FaultDidNotHappen('the watchdog that thaws did not start; nothing was frozen', { cause: fault });
  }
  child.stdout.destroy();
  child.unref();
}

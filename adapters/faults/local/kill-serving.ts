import { z } from 'zod';
import { FaultDidNotHappen, FaultSelectsNothing } from '../errors';
import { comesTrue, proof, type FaultMaker } from './fault-maker';
import { servingCopySchema, type CopyControl, type ServingCopy } from './serving-copies';

export const copiesUndoSchema = z.object({ version: z.string(), copies: z.array(servingCopySchema).min(1) });

const SEEN_WITHIN_MS = 5_000;

/** Kills every running copy of a version on this host at once, as the out-of-memory killer would. */
export function killServing(controlOf: (service: string) => Promise<CopyControl>): FaultMaker<'kill-serving'> {
  return {
    async prepare(service, { version }) {
      const copies = await copiesToHit(await controlOf(service), service, version);
      return { kind: 'kill-serving', service, target: namesOf(copies), undo: { version, copies } };
    },
    async inject({ service, undo }) {
      const control = await controlOf(service);
      const { copies } = copiesUndoSchema.parse(undo);
      await Promise.all(copies.map((copy) => control.kill(copy)));
      if (!(await comesTrue(() => allOf(copies, control.isGone), SEEN_WITHIN_MS)))
        throw new FaultDidNotHappen(`${namesOf(copies)}: killed, and still seen`);
      return proof(`${namesOf(copies)} was killed and is gone`, { copies: copies.map((copy) => ({ ...copy })) });
    },
    async remove({ service, undo }) {
      const control = await controlOf(service);
      const { copies } = copiesUndoSchema.parse(undo);
      const gone = await allOf(copies, control.isGone);
      // A killed process does not come back; that something serves in its place is for the steady state to show.
      return proof(
        gone
          ? `nothing of the fault is left: ${namesOf(copies)} ended`
          : `nothing of the fault is left: ${namesOf(copies)} was not killed`,
      );
    },
  };
}

export async function copiesToHit(control: CopyControl, service: string, version: string): Promise<ServingCopy[]> {
  const copies = await control.find(service, version);
  if (copies.length === 0) throw new FaultSelectsNothing(`no copy of ${service}@${version} runs on this host`);
  return copies;
}

export function namesOf(copies: readonly ServingCopy[]): string {
  return copies.map(({ instance }) => instance).join(', ');
}

export async function allOf(
  copies: readonly ServingCopy[],
  is: (copy: ServingCopy) => Promise<boolean>,
): Promise<boolean> {
  return (await Promise.all(copies.map(is))).every(Boolean);
}

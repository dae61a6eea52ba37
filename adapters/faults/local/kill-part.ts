import { z } from 'zod';
import type { KillablePart } from '../../../domain/chaos/experiment';
import { killableParts } from '../../../domain/chaos/experiment';
import { FaultDidNotHappen, FaultRemains, FaultSelectsNothing } from '../errors';
import { comesTrue, proof, type FaultMaker } from './fault-maker';

/** A process of an installation as its supervisor recorded it. */
export interface PartProcess {
  readonly pid: number;
  readonly startTime: string;
}

/** The parts of one installation: found by record and identity, never by a name. */
export interface PartControl {
  /** Null while none runs that is ours. */
  find(part: KillablePart): Promise<PartProcess | null>;
  /** Kills it if it still is that process. */
  kill(part: KillablePart, process: PartProcess): Promise<void>;
  isRunning(process: PartProcess): Promise<boolean>;
  /** Null when it does its work, else why not. */
  look(part: KillablePart): Promise<string | null>;
}

const undoSchema = z.strictObject({
  part: z.enum(killableParts),
  process: z.strictObject({ pid: z.int(), startTime: z.string() }),
});
const SEEN_WITHIN_MS = 5_000;
const BACK_WITHIN_MS = 60_000;

/** Kills one process of lastgood; its supervisor starts another one, which is waited for. */
export function killPart(control: PartControl): FaultMaker<'kill-part'> {
  return {
    async prepare(service, { part }) {
      const process = await control.find(part);
      if (process === null) throw new FaultSelectsNothing(`${part}: no process of this installation runs`);
      const { pid, startTime } = process;
      return {
        kind: 'kill-part',
        service,
        target: `${part} (pid ${pid})`,
        undo: { part, process: { pid, startTime } },
      };
    },
    async inject({ undo }) {
      const { part, process } = undoSchema.parse(undo);
      await control.kill(part, process);
      if (!(await comesTrue(async () => !(await control.isRunning(process)), SEEN_WITHIN_MS)))
        throw new FaultDidNotHappen(`${part}: process ${process.pid} was killed and is still seen`);
      return proof(`${part}: process ${process.pid} was killed and is gone`, { part, pid: process.pid });
    },
    async remove({ undo }) {
      const { part, process } = undoSchema.parse(undo);
      let why = 'it was not looked at';
      const works = async (): Promise<boolean> => {
        why = (await control.look(part)) ?? '';
        return why === '';
      };
      if (!(await comesTrue(works, BACK_WITHIN_MS))) throw new FaultRemains(`${part}: ${why}`);
      const now = await control.find(part);
      return proof(
        now?.pid === process.pid && now.startTime === process.startTime
          ? `${part}: process ${process.pid} was not killed, and works`
          : `${part}: process ${now?.pid ?? '?'} works in its place`,
        { part, pid: now?.pid ?? null },
      );
    },
  };
}

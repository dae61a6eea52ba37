import { z } from 'zod';
import { openMasterCli } from '../../traffic/haproxy/master-cli';
import { FaultDidNotHappen, FaultRemains } from '../errors';
import { comesTrue, proof, type FaultMaker } from './fault-maker';

const undoSchema = z.strictObject({ worker: z.int() });
const ASK_MS = 5_000;
const SEEN_WITHIN_MS = 15_000;

/** Reloads HAProxy as an operator or a package update does: the worker in charge is replaced, the old one drains. */
export function reloadHaproxy(masterSocket: string): FaultMaker<'reload-router'> {
  const workerInCharge = async (): Promise<number> => {
    const cli = await openMasterCli(masterSocket, ASK_MS);
    try {
      return (await cli.workers())[0]?.pid ?? 0;
    } finally {
      cli.close();
    }
  };
  // While it reloads, the socket of the master is away for a moment.
  const inChargeOrNull = (): Promise<number | null> => workerInCharge().catch(() => null);
  return {
    async prepare(service) {
      const worker = await workerInCharge();
      return {
        kind: 'reload-router',
        service,
        target: `HAProxy at ${masterSocket} (worker ${worker})`,
        undo: { worker },
      };
    },
    async inject({ undo }) {
      const { worker } = undoSchema.parse(undo);
      const cli = await openMasterCli(masterSocket, ASK_MS);
      // It answers by closing the connection.
      await cli.ask(0, 'reload').catch(() => undefined);
      cli.close();
      let now: number | null = null;
      const replaced = async (): Promise<boolean> => {
        now = await inChargeOrNull();
        return now !== null && now !== worker;
      };
      if (!(await comesTrue(replaced, SEEN_WITHIN_MS)))
        throw new FaultDidNotHappen(`HAProxy at ${masterSocket}: worker ${worker} is still in charge`);
      return proof(`HAProxy was reloaded: worker ${String(now)} took over from ${worker}`, { before: worker, now });
    },
    async remove() {
      if (!(await comesTrue(async () => (await inChargeOrNull()) !== null, SEEN_WITHIN_MS)))
        throw new FaultRemains(`HAProxy at ${masterSocket} does not answer`);
      return proof(`HAProxy answers; worker ${String(await inChargeOrNull())} is in charge`);
    },
  };
}

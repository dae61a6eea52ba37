import { parentPort, workerData } from 'node:worker_threads';
import { readBackgrounds } from './backgrounds';
import { runCase } from './case-run';
import type { Case } from './cases';
import { shippedPolicy } from './shipped-policy';

// One case at a time, so that the last ones are shared out evenly. Posts an Outcome for each Case.
const backgrounds = readBackgrounds((workerData as { dataDir: string }).dataDir);
const policy = shippedPolicy();

parentPort?.on('message', (of: Case) => {
  void runCase(of, backgrounds, policy).then(
    (outcome) => parentPort?.postMessage(outcome),
    // Thrown outside the promise, so that the worker ends with it and its owner hears of it.
    (fault: unknown) =>
      setImmediate(() => {
        throw fault;
      }),
  );
});

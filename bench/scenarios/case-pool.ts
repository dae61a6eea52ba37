import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Outcome } from './case-run';
import type { Case } from './cases';

/** Runs the cases on all cores; outcomes come in any order. Rejects with the first fault. */
export async function runCases(
  cases: readonly Case[],
  dataDir: string,
  onOutcome: (done: number) => void,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let next = 0;
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(join(__dirname, 'case-worker.js'), { workerData: { dataDir } });
      const give = (): void => {
        const of = cases[next];
        next += 1;
        if (of) worker.postMessage(of);
        else void worker.terminate().then(() => resolve());
      };
      worker.on('error', reject);
      worker.on('message', (outcome: Outcome) => {
        outcomes.push(outcome);
        onOutcome(outcomes.length);
        give();
      });
      give();
    });
  await Promise.all(Array.from({ length: Math.min(cases.length, availableParallelism()) }, work));
  return outcomes;
}

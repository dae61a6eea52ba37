import { condition, defineQuery, defineSignal, setHandler } from '@temporalio/workflow';
import { signalNames } from '../../workflows/contract/signals';

export { rollbackWorkflow } from '../../workflows/rollback';
export { itemsWorkflow } from '../../workflows/items';
export { retirementWorkflow } from '../../workflows/retirement';
export { cacheRepairWorkflow } from '../../workflows/cache-repair';

const stepReported = defineSignal<[unknown]>(signalNames.stepReported);
const retirementEnded = defineSignal<[unknown]>(signalNames.retirementEnded);
const finish = defineSignal('finish');
const heard = defineQuery<unknown[]>('heard');

/** Stands in for the service workflow: remembers what its children report, in the order of arrival. */
export async function serviceRecorderWorkflow(): Promise<unknown[]> {
  const reports: unknown[] = [];
  let finished = false;
  setHandler(stepReported, (report) => void reports.push(report));
  setHandler(retirementEnded, (report) => void reports.push(report));
  setHandler(finish, () => {
    finished = true;
  });
  setHandler(heard, () => reports);
  await condition(() => finished);
  return reports;
}

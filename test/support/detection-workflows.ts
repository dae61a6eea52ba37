import { condition, defineQuery, defineSignal, setHandler } from '@temporalio/workflow';
import { signalNames } from '../../workflows/contract/signals';

export { detectionWorkflow } from '../../workflows/detection';

/** Stands in for the service workflow: remembers what detection reports, in the order of arrival. */
export async function serviceListenerWorkflow(): Promise<void> {
  const heard: { readonly name: string; readonly report: unknown }[] = [];
  let finished = false;
  const verdicts = ['degradationBegan', 'degradationEnded', 'tiersReported'] as const;
  const looks = ['standbyReported', 'liveReported', 'routeObserved', 'detectionStarted'] as const;
  for (const name of [...verdicts, ...looks])
    setHandler(defineSignal<[unknown]>(signalNames[name]), (report) => void heard.push({ name, report }));
  setHandler(defineSignal('finish'), () => {
    finished = true;
  });
  setHandler(defineQuery<unknown[]>('heard'), () => heard);
  await condition(() => finished);
}

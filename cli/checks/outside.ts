import type { Configuration } from '../../workers/configuration/configuration';
import { fine, messageOf, warning, wrong, type Finding } from './finding';

const lookBackMs = 10 * 60_000;

/**
 * Every metric that is read from Prometheus, asked once; of those that the copies tell, what was read lately. What is
 * pushed cannot be asked for.
 */
export async function askOutside(configuration: Configuration, now: number): Promise<Finding[]> {
  const alerts = await askAlertmanagers(configuration);
  const asked = configuration.services.flatMap(({ name, metrics }) =>
    metrics
      .filter(({ source }) => source.from === 'prometheus' || source.from === 'engine')
      .map(({ policy, source }) => ({ name, metric: policy.metric, isEngine: source.from === 'engine' })),
  );
  if (asked.length === 0) return alerts;
  const { openOutside } = await import('../../workers/outside');
  const { runPaths } = await import('../../workers/embedded/paths');
  const outside = openOutside(configuration, runPaths(configuration.dataDir));
  try {
    const findings = await Promise.all(
      asked.map(async ({ name, metric, isEngine }) => {
        const what = `${name}: metric ${metric}`;
        try {
          const [value] = await outside.values(name, metric, now - lookBackMs, now, 1);
          if (isEngine)
            return value === undefined
              ? warning(
                  what,
                  'nothing was read of the serving copies in the last 10 minutes',
                  `it stays unmeasured: compare services.${name}.metrics.${metric}.source with what a copy shows there`,
                )
              : fine(what, `the serving copies gave ${value.value}`);
          return value === undefined
            ? warning(what, 'its query gives nothing in the last 10 minutes', 'it stays unmeasured; see the query')
            : fine(what, `its query gives ${value.value}`);
        } catch (error) {
          // Where nothing runs, nothing was read; that the gateway is down is another finding.
          if (isEngine) return null;
          return wrong(what, messageOf(error), `correct services.${name}.metrics.${metric}.source.prometheus`);
        }
      }),
    );
    return [...findings.filter((finding) => finding !== null), ...alerts];
  } finally {
    await outside.close();
  }
}

async function askAlertmanagers(configuration: Configuration): Promise<Finding[]> {
  const { alertMetrics, isFiring } = await import('../../workers/alertmanager');
  return await Promise.all(
    alertMetrics(configuration).map(async (asked) => {
      const what = `${asked.service}: metric ${asked.metric}`;
      try {
        const fires = await isFiring(asked, AbortSignal.timeout(5_000));
        return fine(what, `the alert ${asked.labels['alertname'] ?? ''} ${fires ? 'fires' : 'does not fire'}`);
      } catch (error) {
        const todo = `correct services.${asked.service}.metrics.${asked.metric}.source.alertmanager`;
        return wrong(what, messageOf(error), todo);
      }
    }),
  );
}

import type { Configuration } from '../../workers/configuration/configuration';
import { fine, messageOf, warning, wrong, type Finding } from './finding';

const lookBackMs = 10 * 60_000;

/** Every metric that is read from Prometheus, asked once. What is pushed cannot be asked for. */
export async function askOutside(configuration: Configuration, now: number): Promise<Finding[]> {
  const asked = configuration.services.flatMap(({ name, metrics }) =>
    metrics.filter(({ source }) => source.from === 'prometheus').map(({ policy }) => ({ name, metric: policy.metric })),
  );
  if (asked.length === 0) return [];
  const { openOutside } = await import('../../workers/outside');
  const { runPaths } = await import('../../workers/embedded/paths');
  const outside = openOutside(configuration, runPaths(configuration.dataDir));
  try {
    return await Promise.all(
      asked.map(async ({ name, metric }) => {
        const what = `${name}: metric ${metric}`;
        try {
          const [value] = await outside.values(name, metric, now - lookBackMs, now, 1);
          return value === undefined
            ? warning(what, 'its query gives nothing in the last 10 minutes', 'it stays unmeasured; see the query')
            : fine(what, `its query gives ${value.value}`);
        } catch (error) {
          return wrong(what, messageOf(error), `correct services.${name}.metrics.${metric}.source.prometheus`);
        }
      }),
    );
  } finally {
    await outside.close();
  }
}

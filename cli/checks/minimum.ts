import type { Configuration } from '../../workers/configuration/configuration';
import { fine, messageOf, unmeasured, wrong, type Finding } from './finding';

/**
 * Where the policy of a service names a minimum acceptable version: is there one of that name? Only where lastgood runs the
 * versions; the others are known by who answered at their addresses, and a ticket says so.
 */
export async function checkMinimums(configuration: Configuration): Promise<Finding[]> {
  const bounded = configuration.services.flatMap(({ name, serving, policy: { minimumAcceptable } }) =>
    minimumAcceptable === null || serving.runtime === 'external' ? [] : [{ name, minimumAcceptable }],
  );
  if (bounded.length === 0) return [];
  const { openToLook } = await import('../../workers/composition');
  const { runPaths } = await import('../../workers/embedded/paths');
  try {
    const adapters = await openToLook(configuration, runPaths(configuration.dataDir));
    try {
      const judged = bounded.map(async ({ name, minimumAcceptable }) => {
        const versions = await adapters.store.list(name);
        return judgeMinimum(
          name,
          minimumAcceptable,
          versions.map(({ version }) => version),
        );
      });
      return await Promise.all(judged);
    } finally {
      await adapters.close();
    }
  } catch (error) {
    return [unmeasured('minimumAcceptable', `the versions could not be listed: ${messageOf(error)}`)];
  }
}

/** A name that is not known admits no version: no standby, no fallback, no automatic rollback. */
export function judgeMinimum(service: string, minimum: string, known: readonly string[]): Finding {
  const what = `${service}: minimumAcceptable`;
  return known.includes(minimum)
    ? fine(what, minimum)
    : wrong(
        what,
        `${minimum} is not known, so nothing may be rolled back to; known: ${known.slice(-10).join(', ') || 'none'}`,
        'correct minimumAcceptable in the policy of the service, or import that version',
      );
}

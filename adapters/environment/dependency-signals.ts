import { checkDependency, type Dependency } from './dependencies';
import { DependencyHistory, dependencySignal } from './dependency-change';
import type { SignalSource } from './signal-source';

/** What each service depends on, asked by its URL: whether it works, and how long it takes. */
export function dependencySignals(options: {
  readonly dependencies: Readonly<Record<string, readonly Dependency[]>>;
  readonly everyMs: number;
  readonly now: () => number;
}): SignalSource {
  const { dependencies, everyMs, now } = options;
  // Two services may need the same: it is asked once.
  const histories = new Map<string, { readonly dependency: Dependency; readonly history: DependencyHistory }>();
  for (const dependency of Object.values(dependencies).flat())
    if (!histories.has(dependency.url)) histories.set(dependency.url, { dependency, history: new DependencyHistory() });

  return {
    name: 'dependencies',
    everyMs,
    quick: true,
    async sample() {
      await Promise.all(
        [...histories.values()].map(async ({ dependency, history }) => {
          history.pendingSince = now();
          history.note(await checkDependency(dependency, now));
        }),
      );
    },
    findings: (service, sinceMs, { onset }) =>
      (dependencies[service] ?? []).flatMap(({ name, url }) => {
        const known = histories.get(url);
        if (!known) return [];
        // It was asked each `everyMs`, so a failure may be up to two of them older or younger than the onset.
        const question = { sinceMs, slackMs: 2 * everyMs, nowMs: now(), ...(onset ? { onset } : {}) };
        return [dependencySignal(name, known.history, question)];
      }),
  };
}

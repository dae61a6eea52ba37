/** What a query of ours rests on, found in its text: enough for the queries in `deploy/`, no parser of PromQL. */
export interface UsedByQuery {
  readonly metrics: readonly string[];
  /** By metric: the labels that its selector names. */
  readonly selected: Readonly<Record<string, readonly string[]>>;
  /** Labels of `by`, `on` and the like. */
  readonly grouped: readonly string[];
}

export function usedByQuery(query: string): UsedByQuery {
  const selected: Record<string, string[]> = {};
  for (const [, metric = '', matchers = ''] of query.matchAll(/\b(lastgood_\w+)(?:\{([^}]*)\})?/g)) {
    const names = [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, name = '']) => name);
    selected[metric] = [...(selected[metric] ?? []), ...names];
  }
  const grouped = [...query.matchAll(/\b(?:by|on|without|ignoring)\s*\(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(',').map((name) => name.trim()),
  );
  return { metrics: Object.keys(selected), selected, grouped: grouped.filter((name) => name !== '') };
}

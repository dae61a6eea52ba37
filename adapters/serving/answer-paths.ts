/**
 * Reads one value out of JSON by a path such as `outputs[name=label].data[0]` or `choices[0].message.content`.
 * Undefined when any step is missing.
 */
export function valueAt(json: unknown, path: string): unknown {
  let value = json;
  for (const step of path.match(/[^.[\]]+(?:=[^\]]*)?|\[[^\]]*\]/g) ?? []) {
    if (typeof value !== 'object' || value === null) return undefined;
    const inner = step.startsWith('[') ? step.slice(1, -1) : step;
    if (Array.isArray(value) && inner.includes('=')) {
      const [key = '', ...rest] = inner.split('=');
      const wanted = rest.join('=');
      value = value.find((item: unknown) => ownValue(item, key) === wanted);
    } else {
      value = ownValue(value, inner);
    }
  }
  return value;
}

function ownValue(container: unknown, key: string): unknown {
  if (typeof container !== 'object' || container === null || !Object.hasOwn(container, key)) return undefined;
  return (container as Record<string, unknown>)[key];
}

/** The configured outputs of an answer: name → path. Missing ones are left out. */
export function outputsAt(json: unknown, paths: Readonly<Record<string, string>>): Record<string, string | number> {
  const outputs: Record<string, string | number> = {};
  for (const [name, path] of Object.entries(paths)) {
    const value = valueAt(json, path);
    if (typeof value === 'string' || typeof value === 'number') outputs[name] = value;
    else if (typeof value === 'boolean') outputs[name] = String(value);
  }
  return outputs;
}

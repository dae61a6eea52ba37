import { asksForHealth, quoted, type Refusal } from './refusal';

/**
 * The path of one version. Only `from` and what is below it leads to the service: at the same address stand other
 * versions and the server's own administration, which no client may reach through the route. So a segment is refused that
 * a server could read as another one (`.`, `..`, empty, an encoded slash), and one that names a version itself.
 */
export function selectPath(
  { from, to }: { readonly from: string; readonly to: string },
  method: string,
  url: string,
): string | Refusal {
  const query = url.indexOf('?');
  const path = query < 0 ? url : url.slice(0, query);
  if (path !== from && !path.startsWith(`${from}/`)) {
    if (asksForHealth(method, path)) return url;
    const detail = `found the path ${quoted(path)}, expected ${from} or one below it: nothing else belongs to this service`;
    return { status: 404, reason: 'not-offered', detail };
  }
  const rest = path.slice(from.length).split('/').slice(1).map(decoded);
  if (rest.some((segment, at) => isAmbiguous(segment, at === rest.length - 1))) {
    const detail = `found ${quoted(path)}, expected a path without . and .. and empty or encoded-slash segments: servers read them differently`;
    return { status: 400, reason: 'ambiguous-path', detail };
  }
  if (namesVersion(from, to, rest)) {
    const detail = `found ${quoted(path)}, which names a version; the route alone decides which version answers: ask ${from} without it`;
    return { status: 404, reason: 'version-named', detail };
  }
  return to + path.slice(from.length) + (query < 0 ? '' : url.slice(query));
}

function decoded(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}

/** A `%` that is left would be another character to a server that decodes twice. */
function isAmbiguous(segment: string | null, isLast: boolean): boolean {
  if (segment === null || segment === '.' || segment === '..') return true;
  if (segment === '') return !isLast;
  for (let at = 0; at < segment.length; at += 1) {
    const code = segment.charCodeAt(at);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return /[/\\%;]/.test(segment);
}

/** `versions`, where the version is `…/versions/3`; the first way to name one in the server's own paths. */
function namesVersion(from: string, to: string, rest: readonly (string | null)[]): boolean {
  const [first] = rest;
  if (typeof first !== 'string' || !to.startsWith(`${from}/`)) return false;
  const [way] = to.slice(from.length + 1).split('/');
  return way !== undefined && first.toLowerCase() === way.toLowerCase();
}

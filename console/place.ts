/** What the address of the page names, behind `#`. */
export type Place =
  | { readonly kind: 'services' }
  | { readonly kind: 'service'; readonly service: string }
  | { readonly kind: 'incident'; readonly service: string; readonly incident: string };

export function placeOf(hash: string): Place {
  const [, service, word, incident] = hash
    .replace(/^#/, '')
    .split('/')
    .map((part) => decode(part));
  if (!service) return { kind: 'services' };
  if (word === 'incidents' && incident) return { kind: 'incident', service, incident };
  return { kind: 'service', service };
}

export function linkTo(service: string, incident?: string): string {
  const place = `#/${encodeURIComponent(service)}`;
  return incident === undefined ? place : `${place}/incidents/${encodeURIComponent(incident)}`;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

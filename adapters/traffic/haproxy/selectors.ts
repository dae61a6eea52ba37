import { selectorWords, type RouteRecord, type VersionSelector } from '../../../domain/route';
import type { HaproxyService } from './layout';

/** Segments of a path that HAProxy can cut off: each number has its own rules. */
export const DEPTHS = 8;

/** How requests name the version, the same for all its copies; null where the address does. */
export function selectorOf(record: RouteRecord, version: string): VersionSelector | null {
  return record.backends[version]?.[0]?.selector ?? null;
}

/** Why HAProxy cannot name the versions of the record; null where it can. */
export function selectorRefusal(
  record: RouteRecord,
  named: readonly string[],
  { selectorHeader = null }: Pick<HaproxyService, 'selectorHeader'>,
): string | null {
  for (const version of named) {
    const words = new Set(
      (record.backends[version] ?? []).map(({ selector }) => (selector ? selectorWords(selector) : '')),
    );
    const at = `backends.${version}`;
    if (words.size > 1) {
      return `${at}: its copies are named in different ways (${[...words].join('; ')}), expected one way for all`;
    }
    const selector = selectorOf(record, version);
    if (selector === null) continue;
    const problem = refusalOf(selector, selectorHeader);
    if (problem !== null) return `${at}: ${problem}`;
  }
  return null;
}

function refusalOf(selector: VersionSelector, header: string | null): string | null {
  switch (selector.by) {
    case 'model':
      return 'the JSON field model names the version, which HAProxy does not write; expected an address of its own, a path or a header, or router.kind: gateway';
    case 'path': {
      const depth = depthOf(selector.from);
      return depth <= DEPTHS
        ? null
        : `the path ${selector.from} has ${depth} segments, at most ${DEPTHS} can be cut off`;
    }
    case 'header':
      if (selector.header.toLowerCase() === header?.toLowerCase()) return null;
      return `the header ${selector.header} names the version, and HAProxy's configuration has ${header === null ? 'none' : header}; configure it, write the configuration (\`lastgood haproxy config --write\`) and reload HAProxy`;
  }
}

export function depthOf(path: string): number {
  return path.split('/').length - 1;
}

/** Only then may a server of the one answer a request that was written for the other. */
export function sameSelector(record: RouteRecord, one: string, other: string): boolean {
  const [left, right] = [selectorOf(record, one), selectorOf(record, other)];
  if (left === null || right === null) return left === right;
  return selectorWords(left) === selectorWords(right);
}

/** What the rules look up of a version: `path|depth|from|to|segment that would name a version`, or `header|value`. */
export function selectorEntry(selector: VersionSelector): string | null {
  switch (selector.by) {
    case 'path': {
      const { from, to } = selector;
      const way = to.startsWith(`${from}/`) ? to.slice(from.length + 1).split('/')[0] : undefined;
      return `path|${depthOf(from)}|${from}|${to}|${way?.toLowerCase() ?? '-'}`;
    }
    case 'header':
      return `header|${encodeURIComponent(selector.value)}`;
    case 'model':
      return null;
  }
}

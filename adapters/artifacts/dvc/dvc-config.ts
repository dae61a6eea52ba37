import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Storage, StoragePlace } from './storage';

/** Section → key → value, as DVC's configuration files write them (`['remote "store"']`, `url = ../store`). */
export type DvcConfig = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Later files go before earlier ones, key by key. What is no section, key or comment is passed over, as DVC does not write it. */
export function parseDvcConfig(texts: readonly string[]): DvcConfig {
  const sections = new Map<string, Map<string, string>>();
  for (const text of texts) {
    let section = '';
    for (const line of text.split(/\r?\n/)) {
      const header = /^\s*\[(.*)\]\s*$/.exec(line)?.[1];
      if (header !== undefined) section = unquoted(header);
      const [, key, value] = /^\s*([A-Za-z0-9_]+)\s*=\s*(.*?)\s*$/.exec(header === undefined ? line : '') ?? [];
      if (key === undefined || value === undefined) continue;
      const keys = sections.get(section) ?? new Map<string, string>();
      keys.set(key, unquoted(value));
      sections.set(section, keys);
    }
  }
  return sections;
}

function unquoted(text: string): string {
  return /^(['"])(.*)\1$/.exec(text.trim())?.[2] ?? text.trim();
}

/**
 * Where the objects of a repository are on this machine: its cache, then its remote. `directory` is the one that paths are
 * relative to (`.dvc`). A remote elsewhere is not read, and said.
 */
export function storageOf(config: DvcConfig, directory: string, wantedRemote: string | null): Storage {
  const value = (section: string, key: string): string | null => config.get(section)?.get(key) ?? null;
  const places: StoragePlace[] = [{ directory: resolve(directory, value('cache', 'dir') ?? 'cache'), name: 'cache' }];
  const remote = wantedRemote ?? value('core', 'remote');
  if (remote === null) return { places, unread: 'no remote is configured, and the cache is all that is looked at' };
  const url = value(`remote "${remote}"`, 'url');
  if (url === null) return { places, unread: `the remote "${remote}" has no url in .dvc/config` };
  const local = localPath(url, directory);
  if (local === null)
    return {
      places,
      unread: `the remote "${remote}" is ${url.replace(/\/\/[^/@]*@/, '//')}, and only one that is a directory (local disk, NFS) is read; \`dvc fetch --all-tags\` in that clone brings its objects into the cache`,
    };
  return { places: [...places, { directory: local, name: `remote "${remote}"` }], unread: null };
}

function localPath(url: string, directory: string): string | null {
  if (url.startsWith('file://')) return fileURLToPath(url);
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? null : resolve(directory, url);
}

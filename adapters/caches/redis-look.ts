import { CacheRefused } from './errors';
import { pointerKey, useKey } from './redis';
import { RedisConnection, type RedisAddress } from './redis-connection';

const OLDEST = 6;

/**
 * Asks a cache's Redis once for its version, and by commands that change nothing whether the user may do what is needed. Rights
 * are looked at before the arguments: `SET … NX XX` is refused either way, in other words.
 */
export async function lookAtRedisCache(
  address: RedisAddress,
  { service, cache }: { readonly service: string; readonly cache: string },
  timeoutMs: number,
): Promise<{ readonly server: string; readonly problems: readonly string[] }> {
  const connection = new RedisConnection(address, timeoutMs);
  const problems: string[] = [];
  const tried = async (...command: string[]): Promise<unknown> => {
    try {
      const what = command[0] ?? '';
      return await connection.call(what, (redis) => redis.sendCommand(command));
    } catch (error) {
      if (!(error instanceof CacheRefused)) throw error;
      if (!/syntax error/.test(error.message)) problems.push(error.message);
      return null;
    }
  };
  try {
    const about = (await tried('INFO', 'server')) as string | null;
    const version = /^redis_version:(\S+)/m.exec(String(about ?? ''))?.[1] ?? null;
    if (version !== null && Number.parseInt(version, 10) < OLDEST)
      problems.push(`found Redis ${version}, expected ${OLDEST} or newer`);
    const pointer = pointerKey(service, cache);
    await tried('EVAL', "return redis.call('GET', KEYS[1])", '1', pointer);
    await tried('SET', pointer, '', 'NX', 'XX');
    await tried('HMGET', useKey(service, cache), 'hits', 'misses');
    await tried('INFO', 'memory');
    await tried('SCAN', '0', 'COUNT', '1');
    await tried('UNLINK', `${service}:${cache}:lastgood:none`);
    return { server: version ?? 'of a version that it does not say', problems };
  } finally {
    await connection.close();
  }
}

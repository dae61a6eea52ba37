import { PipelineRefused } from './errors';
import type { Looked } from './postgres-look';
import { PipelineRedis, type RedisAddress, type Reply } from './redis-client';

const OLDEST = [6, 2] as const;

/**
 * Asks a pipeline's Redis once for its version, the kind of its keys, its consumer group, and by commands that change nothing
 * whether the user may do what is needed: an entry 0-0 never is, so that deleting it deletes nothing and adding it adds nothing.
 */
export async function lookAtRedis(
  address: RedisAddress,
  {
    stream,
    results,
    group,
    marks,
  }: { readonly stream: string; readonly results: string; readonly group: string | null; readonly marks: string },
): Promise<Looked> {
  const redis = new PipelineRedis(address);
  const problems: string[] = [];
  const tried = async (command: readonly string[]): Promise<Reply> => {
    try {
      return await redis.ask(command);
    } catch (error) {
      if (!(error instanceof PipelineRefused)) throw error;
      // The right is looked at before the id.
      if (!/must be greater than 0-0/.test(error.message)) problems.push(error.message);
      return null;
    }
  };
  try {
    // The first answer is the server's word on the connection itself: a password, a database.
    await redis.ask(['PING']);
    const about = String((await tried(['INFO', 'server'])) ?? '');
    const version = /^redis_version:(\S+)/m.exec(about)?.[1] ?? null;
    const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
    if (version !== null && (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])))
      problems.push(`found Redis ${version}, expected ${OLDEST.join('.')} or newer`);
    if (/^redis_mode:cluster/m.test(about))
      problems.push('found a cluster, expected one node: scripts use three keys at once');
    await tried(['XRANGE', stream, '-', '+', 'COUNT', '1']);
    await tried(['XDEL', stream, '0-0']);
    await tried(['XADD', results, 'NOMKSTREAM', '0-0', 'item', '']);
    await tried(['HDEL', marks, '']);
    await tried(['EVAL', "return redis.call('HGET', KEYS[1], '')", '1', marks]);
    if (group !== null) {
      const groups = (await tried(['XINFO', 'GROUPS', stream])) as readonly (readonly Reply[])[] | null;
      if (groups !== null && !groups.some((one) => one[one.indexOf('name') + 1] === group))
        problems.push(`the stream ${stream} has no consumer group ${group}`);
      await tried(['XPENDING', stream, group]);
    }
    return { server: version ?? 'of a version that it does not say', problems };
  } finally {
    await redis.close();
  }
}

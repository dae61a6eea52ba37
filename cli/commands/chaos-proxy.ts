import { once } from 'node:events';
import type { Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse } from '../failure';
import { loadWhole } from './whole-configuration';

/** `lastgood chaos proxy NAME --listen 127.0.0.1:PORT --to HOST:PORT`: until Ctrl-C. */
export async function chaosProxy(
  context: Context,
  input: { readonly name: string; readonly listen?: string; readonly to?: string },
): Promise<number> {
  const usage = `lastgood chaos proxy ${input.name} --listen 127.0.0.1:5001 --to 127.0.0.1:5000`;
  if (!/^[a-z0-9][a-z0-9-]{0,30}$/.test(input.name))
    throw badUse(`name: found "${input.name}", expected lower-case letters, digits and -`, usage);
  const listen = endpoint('--listen', input.listen, usage);
  const upstream = endpoint('--to', input.to, usage);
  if (!/^(127(\.\d{1,3}){3}|localhost|::1)$/.test(listen.host))
    throw badUse(`--listen: found ${listen.host}, expected a loopback address`, usage);
  const configuration = await loadWhole(context);
  const { startChaosProxy } = await import('../../workers/chaos/proxy');
  const proxy = await startChaosProxy(configuration, { name: input.name, listen, upstream });
  const { port } = proxy.state.listen;
  context.terminal.out(
    `${input.name}: ${listen.host}:${port} passes to ${upstream.host}:${upstream.port}; Ctrl-C stops it`,
  );
  const over = new AbortController();
  await Promise.race(
    (['SIGINT', 'SIGTERM'] as const).map((name) => once(process, name, { signal: over.signal }).catch(() => undefined)),
  );
  over.abort();
  await proxy.close();
  return exitCodes.ok;
}

function endpoint(option: string, text: string | undefined, usage: string): { host: string; port: number } {
  const [, host = '', port = ''] = /^(\[[0-9A-Fa-f:]+\]|[^\s:/]+):(\d{1,5})$/.exec(text ?? '') ?? [];
  if (host === '') throw badUse(`${option}: found ${text ?? 'nothing'}, expected host:port`, usage);
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

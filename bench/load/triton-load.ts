import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InstanceState, ServingRuntime } from '../../activities/ports';
import { openTritonRuntime } from '../../adapters/serving/triton/triton-runtime';
import { tritonFiles, tritonRepository, TritonServerProcess, MODEL, type TritonLight } from './triton-server';

export { hasTriton, tritonRequest } from './triton-server';

/** A real Triton with a light model behind our runtime, for timing loads; nothing of the model is loaded at first. */
export interface TritonLoad {
  readonly server: TritonServerProcess;
  readonly runtime: ServingRuntime;
  readonly model: string;
  /** Places and loads another version; a stop by `runtime.stop(instance, …)` unloads it. */
  start(instance: string, version: string, progress?: (words: string) => void): Promise<InstanceState>;
  close(): Promise<void>;
}

/** `weightBytes`: size of a file beside the model, copied and hashed at each placement. */
export async function startTritonLoad(
  options: Partial<TritonLight> & { readonly weightBytes?: number } = {},
): Promise<TritonLoad> {
  const { weightBytes = 0, ...light } = options;
  const root = mkdtempSync(join(tmpdir(), 'lastgood-bench-triton-'));
  const artifact = join(root, 'artifact');
  mkdirSync(artifact);
  const contents: Record<string, string | Buffer> = tritonFiles({ label: 'spam', ...light });
  if (weightBytes > 0) contents['weights.bin'] = Buffer.alloc(weightBytes, 7);
  const files = Object.entries(contents).map(([path, content]) => {
    writeFileSync(join(artifact, path), content);
    const bytes = Buffer.from(content);
    return { path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  });
  const digest = `sha256:${createHash('sha256').update(JSON.stringify(files)).digest('hex')}`;
  const repository = tritonRepository(root);
  const server = await TritonServerProcess.start(repository);
  const runtime = await openTritonRuntime({
    address: server.address,
    model: MODEL,
    repository,
    subdirectory: '',
    directory: join(root, 'records'),
    listing: () => Promise.resolve(files),
  });
  return {
    server,
    runtime,
    model: MODEL,
    start: (instance, version, progress) =>
      runtime.start({ service: 'bench', version, instance, artifact, digest }, new AbortController().signal, progress),
    async close() {
      await server.kill();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

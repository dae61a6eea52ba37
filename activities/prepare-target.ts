import type { HostActivities, PreparedTarget } from '../workflows/contract/activities';
import { withHeartbeat } from './heartbeat';
import { isRunning, load, materialised, type LoadPorts } from './load-target';
import { probe } from './probe-instance';
import { holder, noteOn } from './validate-artifact';

type Input = Parameters<HostActivities['prepareTarget']>[0];
type Failed = NonNullable<PreparedTarget['failed']>;

/** More than this is not read within the blink that this call is for. */
const LIMIT_BYTES = 256 * 1024 * 1024;
/** What these start is found again by the name of the instance after a start that was given up. */
const RUNTIMES: readonly string[] = ['process', 'docker', 'triton'];

const NOTHING: PreparedTarget = { validate: null, load: null, probe: null, failed: null };

/**
 * Three steps without a decision between them. The artifact is read once: the reading that compares every byte is the one
 * that seals what is loaded. Idempotent as `loadTarget` is, by the name of the instance.
 */
export function prepareTarget(ports: LoadPorts): HostActivities['prepareTarget'] {
  return async (input) =>
    await withHeartbeat(1_000, async (cancelled, progress) => {
      const over = AbortSignal.timeout(input.withinMs);
      const signal = AbortSignal.any([cancelled, over]);
      let done = NOTHING;
      try {
        for await (const next of steps(ports, input, { signal, progress })) {
          done = { ...done, ...next };
          if (done.failed !== null || signal.aborted) break;
        }
      } catch (error) {
        // The step that was under way is made again by itself, with the time that it has.
        if (!over.aborted || cancelled.aborted) throw error;
      }
      cancelled.throwIfAborted();
      return done;
    });
}

async function* steps(
  ports: LoadPorts,
  input: Input,
  told: { readonly signal: AbortSignal; readonly progress: (words: string) => void },
): AsyncGenerator<Partial<PreparedTarget>> {
  const { artifacts } = ports;
  const { service, version, digest, model, withinMs } = input;
  const runtime = ports.serving(service);
  const beganAt = performance.now();
  const info = RUNTIMES.includes(runtime.kind) ? await artifacts.get(service, version) : null;
  // Parts outside of the process are asked from the controller, which knows where they are.
  if (info === null || info.observed !== undefined || info.external.length > 0 || info.bytes > LIMIT_BYTES) return;
  if (info.digest !== digest)
    return yield failed('validate', `${holder(info)} ${info.digest}, the decision names ${digest}`);
  const [found, artifact] = await Promise.all([isRunning(runtime, input), materialised(artifacts, input)]);
  if ('ok' in artifact) return yield failed('validate', artifact.why);
  const remarks = (await artifacts.remarks?.(service, version)) ?? [];
  yield { validate: { ms: Math.round(performance.now() - beganAt), ...noteOn(remarks) } };
  const loaded = await load(ports, { ...input, readyWithinMs: withinMs }, { artifact, found }, told);
  if (!loaded.ok) {
    // Whether it is slow or broken is for the step itself to say, which has the time for it.
    if (told.signal.aborted) return;
    return yield failed('load', loaded.why);
  }
  const { backend, ms } = loaded;
  yield { load: { backend, ms, found } };
  const probed = await probe(ports, { service, version, model, backend }, told.signal);
  if (!probed.ok) return yield failed('probe', probed.why);
  const { probes, note } = probed;
  yield { probe: { ms: probed.ms, probes, ...(note === undefined ? {} : { note }) } };
}

function failed(step: Failed['step'], why: string): Partial<PreparedTarget> {
  return { failed: { step, why } };
}

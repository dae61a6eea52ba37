import { setTimeout as pause } from 'node:timers/promises';
import type { ArtifactProblem } from '../domain/version';
import type { HostActivities } from '../workflows/contract/activities';
import { engineOn } from './engine-on';
import { isNamed, messageOf } from './failures';
import { identityProblem } from './golden-probes';
import { withHeartbeat } from './heartbeat';
import type { ArtifactStore, Engine, InstanceState, ServingRuntime } from './ports';
import { problemsText } from './validate-artifact';

type Input = Parameters<HostActivities['loadTarget']>[0];
type Outcome = Awaited<ReturnType<HostActivities['loadTarget']>>;
export interface LoadPorts {
  readonly artifacts: ArtifactStore;
  readonly serving: (service: string) => ServingRuntime;
  readonly engine: (service: string) => Engine;
}

const readyPollMs = 25;
/** A light copy is ready at once: it is not left waiting for the clock. */
const quickPollMs = 5;
const quickForMs = 250;
const readyTimeoutMs = 1_000;
/** Looking at the process costs more than asking it; a copy that died is found this often. */
const inspectEveryMs = 500;
const LOG_QUOTE_CHARS = 500;
/** Another attempt would only put off the next candidate, which may be loaded already. */
const WILL_FAIL_AGAIN = ['InstanceFailed', 'ServingRefused', 'DockerRefused', 'DockerDiskFull', 'ImageUnavailable'];

/**
 * Idempotent by the instance's name: a copy of that name that runs is found instead of started again. What it resolves to
 * was read back: the address answered ready and said what it loaded. A copy that fails by its own fault is an outcome.
 */
export function loadTarget(ports: LoadPorts): HostActivities['loadTarget'] {
  return async (input) =>
    await withHeartbeat(1_000, async (signal, progress) => {
      const beganAt = performance.now();
      const runtime = ports.serving(input.service);
      const [found, artifact] = await Promise.all([
        isRunning(runtime, input),
        runtime.kind === 'external' ? null : materialised(ports.artifacts, input),
      ]);
      if (artifact !== null && 'ok' in artifact) return artifact;
      const loaded = await load(ports, input, { artifact, found }, { signal, progress });
      return loaded.ok ? { ...loaded, ms: Math.round(performance.now() - beganAt) } : loaded;
    });
}

/** Starts the copy of an artifact whose every byte was compared, or finds it, and waits until it is ready. */
export async function load(
  ports: LoadPorts,
  input: Input,
  { artifact, found }: { readonly artifact: { readonly directory: string } | null; readonly found: boolean },
  told: { readonly signal: AbortSignal; readonly progress: (words: string) => void },
): Promise<Outcome> {
  const beganAt = performance.now();
  const runtime = ports.serving(input.service);
  const started = await start(runtime, input, artifact?.directory ?? null, told);
  if ('ok' in started) return started;
  const ready = await untilReady(ports, runtime, input, started, told.signal);
  if (!ready.ok) return ready;
  const problems = artifact === null ? [] : ((await ports.artifacts.recheck?.(input.service, input.version)) ?? []);
  // What it loaded may be neither what was compared before nor what is there now.
  if (problems.length > 0)
    return { ok: false, why: `changed while ${ready.instance} loaded it: ${problemsText(problems)}` };
  const { address, instance } = ready;
  const { selector } = started;
  const backend = { address, instance, digest: input.digest, ...(selector && { selector }) };
  return { ok: true, backend, ms: Math.round(performance.now() - beganAt), found };
}

export async function isRunning(
  runtime: ServingRuntime,
  { service, instance }: Pick<Input, 'service' | 'instance'>,
): Promise<boolean> {
  const { instances } = await runtime.inspect(service);
  return instances.some((found) => found.instance === instance && found.state !== 'exited');
}

/** Its verified directory: every byte was compared with the manifest, and the manifest with the decision. */
export async function materialised(
  artifacts: ArtifactStore,
  { service, version, digest }: Pick<Input, 'service' | 'version' | 'digest'>,
): Promise<{ readonly directory: string } | { readonly ok: false; readonly why: string }> {
  try {
    const artifact = await artifacts.materialise(service, version);
    if (artifact.digest === digest) return artifact;
    return { ok: false, why: `the artifact is ${artifact.digest}, the decision names ${digest}` };
  } catch (error) {
    if (!isNamed(error, 'ArtifactCorrupt', 'ArtifactMissing', 'ArtifactRefused')) throw error;
    const problems = 'problems' in error ? (error.problems as readonly ArtifactProblem[]) : [];
    return { ok: false, why: problems.length > 0 ? problemsText(problems) : error.message };
  }
}

async function start(
  runtime: ServingRuntime,
  { service, version, instance, digest }: Input,
  artifact: string | null,
  { signal, progress }: { readonly signal: AbortSignal; readonly progress: (words: string) => void },
): Promise<InstanceState | Extract<Outcome, { ok: false }>> {
  try {
    return await runtime.start({ service, version, instance, artifact, digest }, signal, progress);
  } catch (error) {
    // Everything else (an engine that is away, no permission) is the host's fault and may pass.
    if (isNamed(error, ...WILL_FAIL_AGAIN)) return { ok: false, why: withLastWords(error) };
    throw error;
  }
}

/** Why a copy ended is in what it wrote last; the log itself stays with its instance. */
function withLastWords(error: Error): string {
  const tail = 'logTail' in error ? String(error.logTail).trim().slice(-LOG_QUOTE_CHARS) : '';
  return tail === '' ? messageOf(error) : `${messageOf(error)}; its log ends: ${tail}`;
}

async function untilReady(
  ports: LoadPorts,
  runtime: ServingRuntime,
  input: Input,
  started: InstanceState,
  signal: AbortSignal,
): Promise<
  { readonly ok: true; readonly address: string; readonly instance: string } | Extract<Outcome, { ok: false }>
> {
  const { service, version, digest, model, readyWithinMs } = input;
  const { instance, address } = started;
  if (address === null) return { ok: false, why: `${instance} reported no address` };
  const engine = engineOn(ports.engine(service), started);
  const until = performance.now() + readyWithinMs;
  const quickUntil = performance.now() + quickForMs;
  let inspectAt = performance.now() + inspectEveryMs;
  let why = 'it was not asked';
  while (performance.now() < until) {
    signal.throwIfAborted();
    const limits = { timeoutMs: readyTimeoutMs };
    try {
      const ready = await engine.ready(address, model, limits);
      if (ready.ready) {
        const problem = identityProblem(await engine.identity(address, model, limits), { digest, version });
        return problem === null ? { ok: true, address, instance } : { ok: false, why: `${instance}: ${problem}` };
      }
      why = ready.why;
      // A copy that sleeps is the quickest of all loads; its probes come after it, like those of any other.
      if (ready.asleep === true)
        await engine.wake?.(address, { timeoutMs: Math.max(1, Math.ceil(until - performance.now())) });
    } catch (error) {
      why = messageOf(error);
    }
    if (performance.now() >= inspectAt) {
      const ended = await endOf(runtime, service, instance);
      if (ended !== null) return { ok: false, why: ended };
      inspectAt = performance.now() + inspectEveryMs;
    }
    await pause(performance.now() < quickUntil ? quickPollMs : readyPollMs, undefined, { signal });
  }
  return { ok: false, why: `${instance} was not ready within ${readyWithinMs} ms: ${why}` };
}

async function endOf(runtime: ServingRuntime, service: string, instance: string): Promise<string | null> {
  const { instances } = await runtime.inspect(service);
  const state = instances.find((found) => found.instance === instance);
  if (state?.state !== 'exited') return null;
  const tail = state.exit?.logTail.trim().split('\n').slice(-3).join(' | ') ?? '';
  return `${instance} ended while it loaded (${state.exit?.code ?? 'no code'}): ${tail.slice(-500)}`;
}

import type { ControlActivities } from '../workflows/contract/activities';
import { engineOn } from './engine-on';
import { externalRefusal } from './external-parts';
import { askProbes, lookAt, type ProbesAnswered } from './golden-probes';
import { withHeartbeat } from './heartbeat';
import type { ArtifactStore, Engine, ExternalParts } from './ports';

const callTimeoutMs = 3_000;
const noteLimit = 300;

interface ProbePorts {
  readonly artifacts: ArtifactStore;
  readonly engine: (service: string) => Engine;
  readonly external?: ExternalParts;
}

/** Readiness, reported digest, golden probes of one running copy. Read-only; a sick copy is an outcome, no fault. */
export function probeInstance(ports: ProbePorts): ControlActivities['probeInstance'] {
  return async (input) => await withHeartbeat(1_000, (signal) => probe(ports, input, signal));
}

export async function probe(
  ports: ProbePorts,
  { service, version, model, backend }: Parameters<ControlActivities['probeInstance']>[0],
  signal: AbortSignal,
): ReturnType<ControlActivities['probeInstance']> {
  const beganAt = performance.now();
  const asked = {
    engine: engineOn(ports.engine(service), backend),
    address: backend.address,
    model,
    timeoutMs: callTimeoutMs,
  };
  const seen = await lookAt(asked, { digest: backend.digest, version });
  if (!seen.ok) return seen;
  // Again, right before the shift: it may have moved since the artifact was validated.
  const info = ports.external === undefined ? null : await ports.artifacts.get(service, version);
  const outside = await externalRefusal(ports.external, service, info, { signal });
  if (outside.why !== null) return { ok: false, why: outside.why };
  const probes = await ports.artifacts.probes(service, version);
  const answered = await askProbes(asked, probes, signal, { compareTokens: true });
  if (!answered.ok) return answered;
  const notes = [tokensNote(answered.tokens), ...outside.notes.filter((note) => note.startsWith('not said'))];
  const note = notes
    .filter((one) => one !== null)
    .join('; ')
    .slice(0, noteLimit);
  const ms = Math.round(performance.now() - beganAt);
  return { ok: true, probes: probes.length, ms, ...(note === '' ? {} : { note }) };
}

/** Null where no probe carries token ids. */
function tokensNote({ compared, unmeasured }: ProbesAnswered['tokens']): string | null {
  if (unmeasured !== null) return `token ids not compared: ${unmeasured}`.slice(0, noteLimit);
  return compared === 0 ? null : `token ids of ${compared} right`;
}

import { ActivityFailure, CancellationScope, isCancellation } from '@temporalio/workflow';
import { hostOfInstance } from '../../domain/hosts';
import type { ServicePolicy } from '../../domain/policy';
import type { Backend } from '../../domain/route';
import type { Effect } from '../../domain/service/commands';
import type { ServiceEvent } from '../../domain/service/events';
import { control, hostOf } from '../proxies';
import { lostCall } from '../rollback/activity-failure';

/** The rest of the step's time is for the answer; a copy that is not ready by then says so itself. */
const LOAD_SHARE = 0.9;
const HOST_ANSWERS_WITHIN_MS = 5_000;

type Preparation = Extract<Effect, { type: 'prepare-standby' }>;

interface PreparedFor {
  readonly service: string;
  readonly host: string;
  readonly policy: () => Pick<ServicePolicy, 'steps'>;
  readonly enqueue: (event: ServiceEvent) => void;
}

/** Copies that are made ready: validate, load, probe; the slow steps of an emergency, taken beforehand. */
export class StandbyWork {
  private readonly scopes = new Map<string, CancellationScope>();

  constructor(private readonly about: PreparedFor) {}

  async prepare(effect: Preparation): Promise<void> {
    const { version, instance } = effect;
    const scope = new CancellationScope();
    this.scopes.set(instance, scope);
    const ended = (backend: Backend | null, why: string): void =>
      this.about.enqueue({ type: 'standby-prepared', version, instance, backend, why });
    try {
      const prepared = await scope.run(() => this.steps(effect));
      if (typeof prepared === 'string') ended(null, prepared);
      else ended(prepared, '');
    } catch (error) {
      ended(null, isCancellation(error) ? 'given up' : whyNot(error, hostOfInstance(instance)));
    }
    this.scopes.delete(instance);
  }

  cancel(instance: string): void {
    this.scopes.get(instance)?.cancel();
  }

  /** The copy that is ready, or why there is none. */
  private async steps({ version, digest, instance, model }: Preparation): Promise<Backend | string> {
    const { service, host, policy } = this.about;
    const { validateMs, loadMs, probeMs } = policy().steps;
    const named = hostOfInstance(instance);
    // Validation reads every byte: not for a host that nobody answers for, again and again while it is away.
    if (named !== null)
      await hostOf(named).inspectInstances.executeWithOptions(
        { scheduleToStartTimeout: HOST_ANSWERS_WITHIN_MS, summary: `whether ${named} answers` },
        [service],
      );
    const valid = await control.validateArtifact.executeWithOptions(
      { scheduleToCloseTimeout: validateMs, startToCloseTimeout: validateMs, summary: version },
      [{ service, version, digest }],
    );
    if (!valid.ok) return valid.why;
    const loaded = await hostOf(named ?? host).loadTarget.executeWithOptions(
      // Nobody waits for a standby, so it may stand behind a load that somebody does wait for.
      {
        scheduleToStartTimeout: loadMs,
        scheduleToCloseTimeout: 2 * loadMs,
        startToCloseTimeout: loadMs,
        summary: instance,
      },
      [{ service, version, digest, instance, model, readyWithinMs: Math.floor(loadMs * LOAD_SHARE) }],
    );
    if (!loaded.ok) return loaded.why;
    const { backend } = loaded;
    const proven = await control.probeInstance.executeWithOptions(
      { scheduleToCloseTimeout: probeMs, startToCloseTimeout: probeMs, summary: instance },
      [{ service, version, model, backend }],
    );
    return proven.ok ? backend : proven.why;
  }
}

/** On one of several hosts it counts whether anybody took the call: where nobody did there is no copy to be ended. */
function whyNot(error: unknown, host: string | null): string {
  const lost = host !== null && error instanceof ActivityFailure && lostCall(error);
  if (lost && lost.kind === 'unreachable') return lost.why;
  return `could not be asked: ${String(error).slice(0, 300)}`;
}

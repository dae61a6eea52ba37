import type { Experiment, FaultSpec } from '../../domain/chaos/experiment';
import type { ServiceFacts } from './world';

/** Null: the service chooses. @throws where there is no version that the trigger could name */
export function targetOf(
  trigger: Extract<Experiment['trigger'], { kind: 'manual-rollback' }>,
  state: ServiceFacts,
): string | null {
  if (trigger.to !== null) return trigger.to;
  if (!trigger.cold) return state.standby?.version ?? null;
  const live = state.declared?.primary;
  const warm = state.standby?.version;
  const cold = state.versions.findLast(
    ({ version, standing, evaluation }) =>
      version !== live && version !== warm && (standing === 'validated' || standing === 'candidate') && evaluation.ok,
  );
  if (cold !== undefined) return cold.version;
  throw selectsNothing('there is no validated version beside the live one and its standby');
}

/** The fault with the name of the version that its place stands for now. @throws where nothing is in that place */
export function withVersion(
  fault: FaultSpec,
  before: string | null,
  target: string | null,
  { declared, operation }: ServiceFacts,
): FaultSpec {
  if (!('version' in fault)) return fault;
  const places: Readonly<Record<string, string | null | undefined>> = {
    live: declared?.primary,
    left: before,
    target: target ?? operation?.version,
    fallback: declared?.fallback,
  };
  if (!(fault.version in places)) return fault;
  const version = places[fault.version];
  if (version) return { ...fault, version };
  throw selectsNothing(`there is no ${fault.version} version`);
}

/** Of the same name as the error of the adapters: to whom it is told it is the same. */
function selectsNothing(why: string): Error {
  const error = new Error(why);
  error.name = 'FaultSelectsNothing';
  return error;
}

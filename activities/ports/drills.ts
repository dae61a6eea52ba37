import type { Answer } from '../../workflows/contract/messages';
import type { Baseline } from '../../workflows/contract/activities';
import type { DrillRequest } from '../../workflows/contract/drill';

/** The limits that the live version is judged by now, as detection pinned them; null before the first ones. */
export interface DetectionLimits {
  limits(service: string): Promise<Baseline | null>;
}

/** The service as somebody asks it who is no workflow. */
export interface DrillRequests {
  /** The decision on the request; a refusal is a value. */
  ask(service: string, requestId: string, request: DrillRequest): Promise<Answer>;
}

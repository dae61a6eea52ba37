import type { ControlActivities, WatchActivities } from '../workflows/contract/activities';
import { assessAnswers, type AnswerPorts } from './answers/assess-answers';
import { assessOutside, type OutsidePorts } from './assess-outside';
import { assessShortWindow, type WindowPorts } from './assess-short-window';
import { assessTrend, type TrendPorts } from './assess-trend';
import { attributeCause, type AttributionPorts } from './attribute-cause';
import { computeBaseline, type BaselinePorts } from './compute-baseline';
import { outsideHistory } from './detection/outside-history';
import type { TimeBoth } from './detection/slower-look';
import { timeBoth } from './detection/timed-pairs';
import { guarded } from './failures';
import { guardLive, type LivePorts } from './guard-live';
import { guardStandby, type GuardPorts } from './guard-standby';
import { watchServing, type ServingPorts } from './watch-serving';
import { watchTelemetry, type WatchPorts } from './watch-telemetry';

export type DetectionPorts = Omit<WindowPorts, 'answers' | 'timeBoth'> & {
  /** Name by which the server of a service knows its model; null for a service that is not known here. */
  readonly model: (service: string) => string | null;
} & AnswerPorts &
  OutsidePorts &
  TrendPorts &
  BaselinePorts &
  AttributionPorts;
export type WatchQueuePorts = WatchPorts & GuardPorts & LivePorts & ServingPorts;

export type AssessmentActivities = Pick<
  ControlActivities,
  'assessShortWindow' | 'assessTrend' | 'computeBaseline' | 'attributeCause'
>;

/** For the controller's worker on the queue `lastgood-control`, beside the activities of the steps. */
export function detectionActivities(ports: DetectionPorts): AssessmentActivities {
  return guarded<AssessmentActivities>({
    assessShortWindow: windowWithOutside({ ...ports, answers: assessAnswers(ports), timeBoth: timing(ports) }),
    assessTrend: assessTrend(ports),
    computeBaseline: baselineWithOutside(ports),
    attributeCause: attributeCause(ports),
  });
}

/** Only where a request may be asked again. */
function timing(ports: DetectionPorts): TimeBoth {
  return async (service, version, budgetMs) => {
    const model = ports.model(service);
    if (model === null) return 'the service is not configured here';
    if (!ports.repeatable(service)) return 'requests of this service are not repeatable';
    return await timeBoth(ports, { service, version, model, previous: null, budgetMs });
  };
}

/** One assessment of the short window: what is counted from requests, and what comes from outside. */
export function windowWithOutside(ports: WindowPorts & OutsidePorts): ControlActivities['assessShortWindow'] {
  const [counted, outside] = [assessShortWindow(ports), assessOutside(ports)];
  return async (input) => {
    const [window, more] = await Promise.all([counted(input), outside(input)]);
    return {
      ...window,
      began: [...window.began, ...more.began],
      ended: [...window.ended, ...more.ended],
      tiers: [...window.tiers, ...more.tiers],
    };
  };
}

export function baselineWithOutside(ports: BaselinePorts & OutsidePorts): ControlActivities['computeBaseline'] {
  const counted = computeBaseline(ports);
  return async (input) => {
    const baseline = await counted(input);
    const more = await outsideHistory(ports.outside, input, baseline.periods);
    return { ...baseline, metrics: { ...baseline.metrics, ...more } };
  };
}

/** For the controller's worker on the queue `lastgood-watch`. */
export function watchActivities(ports: WatchQueuePorts): WatchActivities {
  return guarded<WatchActivities>({
    watchTelemetry: watchTelemetry(ports),
    guardStandby: guardStandby(ports),
    guardLive: guardLive(ports),
    watchServing: watchServing(ports),
  });
}

export type * from '../../domain/service/events';

/** Signals between workflows; past tense, wire names. The operator's messages are in `messages.ts`. */
export const signalNames = {
  // detection → service
  degradationBegan: 'degradationBegan',
  degradationEnded: 'degradationEnded',
  tiersReported: 'tiersReported',
  standbyReported: 'standbyReported',
  liveReported: 'liveReported',
  routeObserved: 'routeObserved',
  detectionStarted: 'detectionStarted',
  // controller → service: an artifact was imported or pruned
  artifactsChanged: 'artifactsChanged',
  // rollback → service
  stepReported: 'stepReported',
  // drill → service
  drillReported: 'drillReported',
  // retirement → service
  retirementEnded: 'retirementEnded',
  // service → detection
  routeChanged: 'routeChanged',
  // service → rollback
  orderGiven: 'orderGiven',
  /** Asks whether the child still runs: fails when it does not. With `{ knownToWait }`: false is told again what it waits for. */
  asked: 'asked',
  // service → drill
  drillOrdered: 'drillOrdered',
  // service → retirement
  spared: 'spared',
} as const;

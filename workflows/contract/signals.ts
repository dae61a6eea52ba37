export type * from '../../domain/service/events';

/** Signals between workflows; past tense, wire names. The operator's messages are in `messages.ts`. */
export const signalNames = {
  // detection → service
  degradationBegan: 'degradationBegan',
  degradationEnded: 'degradationEnded',
  tiersReported: 'tiersReported',
  standbyReported: 'standbyReported',
  routeObserved: 'routeObserved',
  // rollback → service
  stepReported: 'stepReported',
  // retirement → service
  retirementEnded: 'retirementEnded',
  // service → detection
  routeChanged: 'routeChanged',
  // service → rollback
  orderGiven: 'orderGiven',
  // service → retirement
  spared: 'spared',
} as const;

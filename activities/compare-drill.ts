import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { individualsLimit } from '../domain/detection/individuals-chart';
import type { ChainedEntry } from '../domain/ledger';
import type { DrillActivities, DrillTimes } from '../workflows/contract/drill';
import type { EvidenceStore, Ledger } from './ports';

interface Ports {
  readonly ledger: Ledger;
  readonly evidence: EvidenceStore;
}

/** Earlier drills that it is compared with. */
const earlierMax = 50;
const entriesMax = 500;
/** On the logarithm: nothing below a quarter more is called slower. */
const leastMargin = Math.log(1.25);
/** Below it a stage is as quick as it can be measured. */
const shortestMs = 10;

type Stage = readonly [name: string, from: keyof DrillTimes, to: keyof DrillTimes];
const stages: readonly Stage[] = [
  ['detection', 'onsetAt', 'detectedAt'],
  ['the way back', 'detectedAt', 'shiftedAt'],
  ['verification', 'shiftedAt', 'restoredAt'],
  ['the whole', 'onsetAt', 'restoredAt'],
];

/** A control chart of single values, on the logarithm of each stage's time, over the earlier drills of the same way that passed. */
export function compareDrill({ ledger, evidence }: Ports): DrillActivities['compareDrill'] {
  return async ({ service, drill, way, times, verdict }) => {
    const content = verdict === null ? null : (canonicalize(verdict) ?? null);
    const digest = content === null ? null : `sha256:${createHash('sha256').update(content).digest('hex')}`;
    if (content !== null && digest !== null) await evidence.keep(service, drill, digest, content);
    const entries = await ledger.read(service, { kinds: ['drill-ended'], newestFirst: true, limit: entriesMax });
    const earlier = entries
      .filter(({ facts }) => facts['way'] === way && facts['outcome'] === 'passed' && facts['drill'] !== drill)
      .slice(0, earlierMax)
      .reverse();
    const slower = stages.map((stage) => slowerIn(stage, times, earlier)).filter((words) => words !== null);
    return { slower: slower.length > 0 ? slower.join('; ') : null, evidence: digest };
  };
}

function slowerIn([name, from, to]: Stage, times: DrillTimes, earlier: readonly ChainedEntry[]): string | null {
  const took = between(times[from], times[to]);
  if (took === null) return null;
  const before = earlier
    .map(({ facts }) => between(momentOf(facts[from]), momentOf(facts[to])))
    .filter((ms) => ms !== null);
  const limit = individualsLimit(before.map(Math.log), leastMargin);
  if (limit === null || Math.log(took) <= limit.upper) return null;
  const usual = Math.round(Math.exp(limit.centre));
  return `${name} took ${Math.round(took)} ms, usual are ${usual} ms (limit ${Math.round(Math.exp(limit.upper))} ms, from ${limit.points} drills)`;
}

function between(from: number | null, to: number | null): number | null {
  return from === null || to === null ? null : Math.max(shortestMs, to - from);
}

function momentOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

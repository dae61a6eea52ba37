import type { ConsideredVersion } from '../story/considered';
import type { Decision, IncidentStory } from '../story/incident-story';
import { number, percent, table, when } from './words';

export const orders: Readonly<Record<string, string>> = {
  previous: 'the newest one that was last good',
  'closest-profile': 'the one whose data profile is closest to the inputs of now',
  'human-validated': 'the one that a person vouched for last',
  'newest-validated': 'the newest validated one',
};

/** Every version that was weighed, with its figures and the reason for or against it; older ledgers have reasons only. */
export function candidates({ considered, decision, dropped }: IncidentStory, now: number): string[] {
  const failed = new Map(dropped.map(({ version, step, why }) => [version, `failed at ${step}: ${why}`]));
  if (!considered) return decision ? withoutFigures(decision, failed) : [];
  const rows = considered.versions.map((one) => [
    one.place === null ? 'not' : `${one.place}.`,
    one.version,
    fitText(one, considered.maxDistance),
    evaluationText(one),
    one.warm ? 'warm' : 'cold',
    ageText(one, now),
    reason(one, failed.get(one.version)),
  ]);
  const named = considered.versions.filter(({ place }) => place !== null).map(({ version }) => version);
  const [chosen] = decision?.candidates ?? [];
  // A person may have named one that has no place, or another one than the first.
  const byName = chosen?.includes('named by a person') ? [`chosen by name: ${chosen}`] : [];
  return [
    `target: ${considered.order} (${orders[considered.order] ?? 'an order that this lastgood does not know'})`,
    ...byName,
    ...table([['', 'version', 'inputs of now', 'evaluation', 'copy', 'last good', 'why'], ...rows]),
    ...(considered.more > 0 ? [`and ${considered.more} more, older ones`] : []),
    ...(named.length === 0 ? ['no version may take over'] : []),
    ...(considered.noneFits === null ? [] : [considered.noneFits]),
  ];
}

function withoutFigures(decision: Decision, failed: ReadonlyMap<string, string>): string[] {
  const lines = decision.candidates.map((line, index) => {
    const version = line.split(':')[0] ?? '';
    const outcome = failed.get(version);
    return `${index + 1}. ${line}${outcome === undefined ? '' : ` → ${outcome}`}`;
  });
  const refused = decision.refused.filter((line) => !line.endsWith(': is live'));
  return [...lines, ...refused.map((line) => `not ${line}`)];
}

export function fitText({ fit }: ConsideredVersion, limit: number | null): string {
  if (typeof fit === 'string') return unknownFits[fit] ?? `not known (${fit})`;
  const far = limit !== null && fit.distance > limit ? ` > ${number(limit)}` : '';
  return `PSI ${fit.distance.toFixed(2)}${far} (${fit.field})`;
}

const unknownFits: Readonly<Record<string, string>> = {
  'samples-off': 'not known: samples off',
  'no-profile': 'not known: no inputProfile',
  'thin-profile': 'not known: thin profile',
  'few-inputs': 'not known: few inputs',
  redacted: 'not known: redacted',
  unreadable: 'not known: unreadable',
  stale: 'not known: measured long ago',
  'not-measured': 'not measured',
};

export function evaluationText({ accuracy, weakest }: ConsideredVersion): string {
  if (accuracy === null) return '–';
  return `${percent(accuracy)}${weakest ? `, ${weakest.label} ${percent(weakest.recall)}` : ''}`;
}

function ageText({ lastGoodAt }: ConsideredVersion, now: number): string {
  if (lastGoodAt !== null) return when(lastGoodAt, now);
  return 'never judged good';
}

export function reason({ why, standing, human }: ConsideredVersion, failed: string | undefined): string {
  const said = [
    why,
    ...(standing === 'suspect' && !why.includes('suspect') ? ['suspect'] : []),
    ...(human !== null && !why.includes(human) ? [`${human} vouched for it`] : []),
  ];
  return said.join(', ') + (failed === undefined ? '' : ` → ${failed}`);
}

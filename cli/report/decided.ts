import { evaluationText, fitText, orders, reason } from '../render/candidates';
import { moment, plural } from '../render/words';
import { consideredOf, type Considered, type ConsideredVersion } from '../story/considered';
import { listOf, textOf } from '../story/facts';
import type { IncidentStory } from '../story/incident-story';
import type { Entry } from '../types';
import { list, tablePart, text, type ReportPart } from './document';
import { distinct } from './measured';

const decisions = new Set<Entry['kind']>([
  'rollback-decided',
  'rollback-held',
  'rollback-refused',
  'deploy-decided',
  'deploy-refused',
  'candidate-dropped',
  'waiting-for-human',
  'breaker-opened',
  'breaker-cleared',
  'operator-act',
  'refused',
  'fallback-began',
]);

/** Every decision: when, what, by which way, and who took it. */
export function decided(entries: readonly Entry[]): ReportPart[] {
  const rows = entries.filter(({ kind }) => decisions.has(kind));
  const overridden = distinct(rows.flatMap(({ facts }) => listOf(facts, 'overrides')));
  return [
    ...tablePart(
      ['when', 'decision', 'in words', 'way', 'decided by'],
      rows.map((entry) => [moment(entry.at), entry.kind, entry.summary, wayOf(entry), whoDecided(entry)]),
    ),
    ...list(overridden.map((brake) => `overridden by a person: ${brake}`)),
  ];
}

function wayOf({ facts }: Entry): string {
  const procedure = textOf(facts, 'procedure');
  const plan = textOf(facts, 'plan');
  if (procedure === null) return '–';
  return plan === null ? procedure : `${procedure}: ${plan}`;
}

function whoDecided({ actor, facts }: Entry): string {
  const approved = textOf(facts, 'approvedBy');
  return `${who(actor)}${approved === null ? '' : `, approved by ${approved}`}`;
}

/** A name with how it was proven and from where; lastgood needs no proof of itself. */
export function who({ name, proof, from }: Entry['actor']): string {
  return proof === 'lastgood' ? 'lastgood' : `${name} (proven by ${proof}, from ${from})`;
}

/** Every version that was weighed, at each decision that weighed versions. */
export function weighed(story: IncidentStory): ReportPart[] {
  const failed = new Map(story.dropped.map(({ version, step, why }) => [version, `failed at ${step}: ${why}`]));
  const parts = story.entries.flatMap((entry) => {
    const considered = consideredOf([entry]);
    return considered ? weighedAt(entry, considered, failed) : [];
  });
  if (parts.length > 0) return parts;
  const { decision } = story;
  if (!decision) return [];
  return list([...decision.candidates, ...decision.refused.map((line) => `not ${line}`)]);
}

function weighedAt({ at, facts }: Entry, considered: Considered, failed: ReadonlyMap<string, string>): ReportPart[] {
  const { order, versions, more, noneFits, maxDistance } = considered;
  const refused = listOf(facts, 'refused').filter(
    (line) => !versions.some(({ version }) => line.startsWith(`${version}:`)),
  );
  return [
    text(
      `At ${moment(at)}, in the order "${order}" (${orders[order] ?? 'an order that this lastgood does not know'}).`,
    ),
    ...tablePart(
      ['place', 'version', 'standing', 'inputs of now', 'evaluation', 'copy', 'last good', 'for or against it'],
      versions.map((one) => candidate(one, maxDistance, failed.get(one.version))),
    ),
    ...list([
      ...refused.map((line) => `not ${line}`),
      ...(more > 0 ? [`${plural(more, 'older version')} did not fit into the entry`] : []),
      ...(versions.some(({ place }) => place !== null) ? [] : ['no version may take over']),
      ...(noneFits === null ? [] : [noneFits]),
    ]),
  ];
}

function candidate(one: ConsideredVersion, maxDistance: number | null, failed: string | undefined): string[] {
  return [
    one.place === null ? 'not chosen' : String(one.place),
    one.version,
    one.standing,
    fitText(one, maxDistance),
    evaluationText(one),
    one.warm ? 'warm' : 'cold',
    one.lastGoodAt === null ? 'never judged good' : moment(one.lastGoodAt),
    reason(one, failed),
  ];
}

import { causeTitle, inForce, titleOf } from '../render/explain';
import { whatToDo } from '../render/what-to-do';
import { moment, plural, span } from '../render/words';
import type { IncidentStory } from '../story/incident-story';
import type { Present } from '../story/present';
import type { Entry } from '../types';
import { afterwards, sequence, stepsTaken } from './course';
import { decided, weighed } from './decided';
import { command, list, tablePart, text, type ReportDocument, type ReportPart, type ReportPicture } from './document';
import { itemsTreated, type FlaggedItem } from './items';
import { attributed, measured } from './measured';
import { exposureParts, usersSaw } from './users';

/** What a report is made of: ledger entries and kept evidence, nothing that has to be measured again. */
export interface ReportMaterial {
  readonly story: IncidentStory;
  /** Entries of the incident's middle that were too many to hold. */
  readonly leftOut: number;
  /** Entries behind the incident that tell what became of it. */
  readonly behind: readonly Entry[];
  readonly pictures: readonly ReportPicture[];
  readonly present: Present;
  /** Items of pipelines that a person must look at. */
  readonly flagged: { readonly shown: readonly FlaggedItem[]; readonly left: number };
  readonly head: { readonly seq: number; readonly hash: string } | null;
  readonly now: number;
}

/** The incident, complete enough to be understood without another tool. */
export function incidentReport(material: ReportMaterial): ReportDocument {
  const { story, behind, pictures, present, now } = material;
  const { entries } = story;
  const sections = [
    { title: 'What you must do next', parts: mustDo(story, present) },
    { title: 'What was measured', parts: [...measured(entries), ...shownOf(pictures)] },
    { title: causeTitle(story), parts: attributed(entries) },
    { title: 'Who decided what', parts: decided(entries) },
    { title: 'Which versions could take over', parts: weighed(story) },
    { title: 'The steps, and how long each took', parts: stepsTaken(story) },
    { title: 'Who was exposed, and for how long', parts: exposureParts(story) },
    { title: 'What users saw', parts: usersSaw(story) },
    {
      title: 'What it handled in pipelines',
      parts: itemsTreated(entries, material.flagged.shown, material.flagged.left),
    },
    { title: 'What was done afterwards', parts: afterwards(story, behind) },
    { title: 'Everything in its order', parts: sequence(entries, material.leftOut) },
    { title: 'In force now, by the ledger', parts: list(inForce(present, now)) },
    { title: 'Where this report comes from', parts: sources(material) },
  ];
  return {
    title: titleOf(story),
    lead: lead(story, present),
    sections: sections.filter(({ parts }) => parts.length > 0),
  };
}

function lead({ evidence, decision, times, from, to, path, outcome }: IncidentStory, present: Present): string[] {
  const { onsetAt, shiftedAt } = times;
  const moved = from !== null && to !== null && from !== to && shiftedAt !== null;
  return [
    ...(evidence ? [`${evidence.sentence}.`] : decision ? [`${decision.summary}.`] : []),
    ...(moved ? [`New requests went from ${from} to ${to} at ${moment(shiftedAt)}.`] : []),
    ...(moved && onsetAt !== null ? [`Users were exposed for ${span(shiftedAt - onsetAt)}.`] : []),
    ...(path.length > 2 ? [`Then it was held on ${path.at(-1) ?? '?'}, which a person vouched for.`] : []),
    `The incident is ${outcome}.`,
    ...(present.primary === null ? [] : [`${present.primary} serves now.`]),
    ...(present.breaker?.open
      ? ['The breaker is open: lastgood moves nothing by itself until a person clears it.']
      : []),
  ];
}

/** Commands stand indented among the lines of the advice. */
function mustDo(story: IncidentStory, present: Present): ReportPart[] {
  return whatToDo(story, present).map((line) => (line.startsWith('  ') ? command(line.trim()) : text(line)));
}

/** A value that swings is drawn at every hold; the first ones and the last say what a reader needs. */
const PICTURES_SHOWN = 4;

function shownOf(pictures: readonly ReportPicture[]): ReportPart[] {
  if (pictures.length <= PICTURES_SHOWN) return pictures.map(pictured);
  const first = pictures.slice(0, PICTURES_SHOWN - 1);
  const more = pictures.length - PICTURES_SHOWN;
  return [
    ...first.map(pictured),
    text(`${plural(more, 'picture')} between these and the last one: their digests are at the end.`),
    ...pictures.slice(-1).map(pictured),
  ];
}

function pictured(picture: ReportPicture): ReportPart {
  return { kind: 'picture', picture };
}

function sources({ story, head, pictures, now }: ReportMaterial): ReportPart[] {
  const { entries, service } = story;
  const first = entries[0];
  const last = entries.at(-1);
  return [
    text(
      `Written ${moment(now)} from ${entries.length} entries of the ledger of ${service}` +
        `${first && last ? ` (numbers ${first.seq} to ${last.seq})` : ''} and from the evidence that was kept; nothing was measured anew.` +
        `${head ? ` The ledger's head is entry ${head.seq}, ${head.hash}.` : ''} Whether the ledger is whole:`,
    ),
    command(`lastgood audit verify ${service}`),
    ...tablePart(
      ['kept picture', 'digest'],
      pictures.map(({ caption, digest, why }) => [why === null ? caption : `${caption}: ${why}`, digest]),
    ),
  ];
}

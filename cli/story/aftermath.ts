import type { StoryClient } from '../api-client';
import { CliFailure } from '../failure';
import { moment } from '../render/words';
import { askedAfterwards } from '../report/course';
import type { ReportPicture } from '../report/document';
import { embeddable } from '../report/picture';
import type { Entry } from '../types';
import { recordOf, textOf } from './facts';
import type { Found } from './find-incident';

const behindMax = 100;
const picturesMax = 20;

/** What the ledger has behind an incident, up to the decision on the next one. */
export async function entriesBehind(client: StoryClient, { service, id, entries }: Found): Promise<readonly Entry[]> {
  const last = entries.at(-1);
  if (!last) return [];
  const query = { after: last.seq, kinds: askedAfterwards, limit: behindMax };
  const later = (await client.ledger(service, query)).entries.filter(({ incident }) => incident !== id);
  const next = later.findIndex(({ kind }) => kind === 'rollback-decided');
  return next === -1 ? later : later.slice(0, next + 1);
}

/** The pictures that were kept of it, oldest first; one that cannot be had says why. */
export async function keptPictures(client: StoryClient, { service, id, entries }: Found): Promise<ReportPicture[]> {
  const kept = new Map<string, string>();
  for (const { kind, facts, summary, at } of entries) {
    const digest = kind === 'evidence-kept' ? textOf(recordOf(facts, 'chart') ?? {}, 'digest') : null;
    if (digest !== null) kept.set(digest, `${summary}, ${moment(at)}`);
  }
  const pictures: ReportPicture[] = [];
  for (const [digest, caption] of [...kept].slice(-picturesMax))
    pictures.push({ caption, digest, ...(await pictureOf(client, service, id ?? '', digest)) });
  return pictures;
}

async function pictureOf(
  client: StoryClient,
  service: string,
  incident: string,
  digest: string,
): Promise<Pick<ReportPicture, 'svg' | 'why'>> {
  try {
    const svg = await client.chart(service, incident, digest);
    if (embeddable(svg, '0') !== null) return { svg, why: null };
    return { svg: null, why: 'it holds more than a picture of lastgood does, so it is not shown here' };
  } catch (error) {
    // A report without its picture is worth more than none.
    if (error instanceof CliFailure) return { svg: null, why: error.what };
    throw error;
  }
}

import { writeFile } from 'node:fs/promises';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse } from '../failure';
import { inForce, renderExplanation, steps } from '../render/explain';
import { findIncident, type Found } from '../story/find-incident';
import { tellStory } from '../story/incident-story';
import { presentOf } from '../story/present-of';

/** `lastgood explain [incident|operation|service]`: from ledger entries alone, so that it works years later. */
export async function explain(
  context: Context,
  input: { readonly what?: string; readonly service?: string; readonly chart?: string },
): Promise<number> {
  const client = context.client();
  const found = await findIncident(client, 'explain', input);
  if (input.chart !== undefined) return await saveChart(context, found, input.chart);
  const { service, id, entries } = found;
  const present = await presentOf(client, service);
  const now = context.terminal.now();
  if (id === null) {
    const recent = (await client.ledger(service, { newestFirst: true, limit: 20 })).entries.toReversed();
    if (context.json) printJson(context.terminal, { service, incident: null, present, entries: recent });
    else
      printLines(context.terminal, [
        `${service}: no incident is on record`,
        '',
        'In force now, by the ledger',
        ...inForce(present, now).map((line) => `  ${line}`),
        '',
        'What happened last',
        ...steps(recent).map((line) => `  ${line}`),
      ]);
    return exitCodes.ok;
  }
  const story = tellStory(id, entries);
  if (context.json) printJson(context.terminal, { ...story, present });
  else printLines(context.terminal, renderExplanation(story, present, now));
  return exitCodes.ok;
}

/** The picture of the incident, into a file of the person's own. */
async function saveChart(context: Context, { service, id }: Found, file: string): Promise<number> {
  if (id === null) throw badUse(`${service}: no incident is on record, so there is no picture`, 'lastgood incidents');
  const svg = await context.client().chart(service, id);
  try {
    await writeFile(file, svg, { flag: 'wx' });
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST';
    throw badUse(
      `--chart: ${file} ${exists ? 'is there already' : `cannot be written: ${(error as Error).message}`}`,
      'name another file',
    );
  }
  if (context.json) printJson(context.terminal, { service, incident: id, file, bytes: Buffer.byteLength(svg) });
  else printLines(context.terminal, [`${file}: the picture of ${service} ${id}`]);
  return exitCodes.ok;
}

import { writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { ApiClient } from '../api-client';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse, CliFailure } from '../failure';
import { htmlReport } from '../report/html';
import { incidentReport } from '../report/incident-report';
import type { ReportPicture } from '../report/document';
import { markdownReport } from '../report/markdown';
import { entriesBehind, keptPictures } from '../story/aftermath';
import { findIncident, type Found } from '../story/find-incident';
import { flaggedItems } from '../story/flagged-items';
import { tellStory } from '../story/incident-story';
import { presentOf } from '../story/present-of';

const formats = ['md', 'html'] as const;
type Format = (typeof formats)[number];

/** `lastgood report [incident]`: everything that is on record of it, as one page or as Markdown. */
export async function report(
  context: Context,
  input: { readonly what?: string; readonly service?: string; readonly format?: string; readonly out?: string },
): Promise<number> {
  const { terminal } = context;
  const format = formatOf(input);
  const client = context.client();
  const found = await findIncident(client, 'report', input);
  if (found.id === null)
    throw new CliFailure(
      exitCodes.refused,
      `${found.service}: no incident is on record, so there is nothing to report`,
      `lastgood history ${found.service}`,
    );
  const pictures = await keptPictures(client, found);
  const document = await documentOf(client, found, pictures, terminal.now());
  const { service, id } = found;
  if (input.out === undefined) {
    if (context.json) printJson(terminal, { service, incident: id, ...document });
    else
      printLines(terminal, [
        (format === 'html' ? htmlReport(document) : markdownReport(document, () => null)).trimEnd(),
      ]);
    return exitCodes.ok;
  }
  const files = format === 'html' ? [] : await writePictures(pictures, input.out);
  const place = (picture: ReportPicture): string | null =>
    files.find(({ digest }) => digest === picture.digest)?.name ?? null;
  const written = format === 'html' ? htmlReport(document) : markdownReport(document, place);
  await writeNew(input.out, written);
  const beside = files.map(({ name }) => join(dirname(input.out ?? ''), name));
  const bytes = Buffer.byteLength(written);
  if (context.json) printJson(terminal, { service, incident: id, file: input.out, format, bytes, pictures: beside });
  else
    printLines(terminal, [
      `${input.out}: the report of ${service} ${id}${beside.length === 0 ? '' : `, with ${beside.join(', ')}`}`,
    ]);
  return exitCodes.ok;
}

function formatOf({ format, out }: { readonly format?: string; readonly out?: string }): Format {
  const known = formats.find((each) => each === format);
  if (format !== undefined && known === undefined)
    throw badUse(`--format: found "${format}", expected one of ${formats.join(', ')}`);
  return known ?? (/^\.html?$/i.test(extname(out ?? '')) ? 'html' : 'md');
}

async function documentOf(
  client: ApiClient,
  found: Found & { readonly id: string | null },
  pictures: readonly ReportPicture[],
  now: number,
): Promise<ReturnType<typeof incidentReport>> {
  const { service, id, entries, leftOut } = found;
  const { head } = await client.ledger(service, { newestFirst: true, limit: 1 });
  return incidentReport({
    story: tellStory(id ?? '', entries),
    leftOut,
    behind: await entriesBehind(client, found),
    pictures,
    flagged: await flaggedItems(client, service, entries),
    present: await presentOf(client, service),
    head,
    now,
  });
}

/** Beside the file, in its name: Markdown can only point at a picture. */
async function writePictures(
  pictures: readonly ReportPicture[],
  out: string,
): Promise<readonly { readonly digest: string; readonly name: string }[]> {
  const stem = basename(out, extname(out));
  const files: { digest: string; name: string }[] = [];
  for (const { digest, svg } of pictures) {
    if (svg === null) continue;
    const name = `${stem}-${files.length + 1}.svg`;
    await writeNew(join(dirname(out), name), svg);
    files.push({ digest, name });
  }
  return files;
}

async function writeNew(file: string, content: string): Promise<void> {
  try {
    await writeFile(file, content, { flag: 'wx' });
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST';
    throw badUse(
      `--out: ${file} ${exists ? 'is there already' : `cannot be written: ${(error as Error).message}`}`,
      'name another file',
    );
  }
}

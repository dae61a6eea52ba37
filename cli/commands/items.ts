import type { ApiClient } from '../api-client';
import type { ItemsView } from '../../api/types';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse } from '../failure';
import { renderItems } from '../render/items';
import { requireReason } from './acts';

const PARTS_MAX = 10_000;
const outcomes = ['redone', 'flushed', 'flagged', 'superseded', 'gone', 'partly-handled'] as const;

/** `lastgood items list <service>` */
export async function listItems(context: Context, service: string): Promise<number> {
  const views = await context.client().items(service);
  if (context.json) printJson(context.terminal, { service, incidents: views });
  else if (views.length === 0) printLines(context.terminal, [`${service}: no items of any incident are on record`]);
  else
    printLines(
      context.terminal,
      views.flatMap((view) => renderItems(service, view)),
    );
  return exitCodes.ok;
}

/** `lastgood items show <service> <incident>`: what was done, then every item as its list has it, oldest part last. */
export async function showItems(
  context: Context,
  input: { readonly service: string; readonly incident: string; readonly pipeline?: string; readonly outcome?: string },
): Promise<number> {
  const { service, incident, pipeline, outcome } = input;
  if (outcome !== undefined && !outcomes.some((one) => one === outcome))
    throw badUse(`--outcome: found "${outcome}", expected one of ${outcomes.join(', ')}`);
  const client = context.client();
  const view = await client.itemsOf(service, incident);
  if (!context.json) printLines(context.terminal, renderItems(service, view));
  const lists = listsOf(view).filter(({ name }) => pipeline === undefined || name === pipeline);
  if (pipeline !== undefined && lists.length === 0)
    throw badUse(`--pipeline: found "${pipeline}", which has no list yet`);
  for (const { name, head } of lists) {
    for await (const line of linesOf(client, service, incident, head)) {
      if (outcome !== undefined && line['outcome'] !== outcome) continue;
      // One a line, however many there are.
      if (context.json) context.terminal.out(JSON.stringify({ pipeline: name, ...line }));
      else printLines(context.terminal, [`  ${name}  ${lineText(line)}`]);
    }
  }
  return exitCodes.ok;
}

function lineText(line: Readonly<Record<string, unknown>>): string {
  const { item, outcome, why, version } = line;
  const told = typeof why === 'string' ? `: ${why}` : typeof version === 'string' ? ` by ${version}` : '';
  return `${String(item)}  ${String(outcome)}${told}`;
}

/** Of those that are done, and of those that are at it. */
function listsOf({ treated, progress }: ItemsView): { name: string; head: string }[] {
  const done = treated.map(({ facts }) => ({ name: String(facts['pipeline']), head: facts['list'] }));
  const going = (progress?.pipelines ?? []).map(({ name, head }) => ({ name, head }));
  return [...done, ...going.filter(({ name }) => !done.some((one) => one.name === name))].flatMap(({ name, head }) =>
    typeof head === 'string' ? [{ name, head }] : [],
  );
}

/** From the newest part backwards: each names the one before it. A part at a time is in memory. */
export async function* linesOf(
  client: Pick<ApiClient, 'itemList'>,
  service: string,
  incident: string,
  newest: string,
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  let digest: string | null = newest;
  for (let parts = 0; digest !== null && parts < PARTS_MAX; parts++) {
    const text: string = await client.itemList(service, incident, digest);
    const [first = '{}', ...rest] = text.trimEnd().split('\n');
    const head = JSON.parse(first) as { kind?: unknown; previous?: unknown };
    for (const line of rest) {
      const told = JSON.parse(line) as Record<string, unknown>;
      const { id, items, degraded } = told;
      const why = `${String(degraded)} of ${String(items)} items`;
      yield head.kind === 'partly-handled' ? { item: id, outcome: 'partly-handled', why, version: null } : told;
    }
    digest = typeof head.previous === 'string' ? head.previous : null;
  }
}

/** `lastgood items sign-off|retry|skip <service> <incident>` */
export async function tellItems(
  context: Context,
  act: 'sign-off' | 'retry' | 'skip',
  input: { readonly service: string; readonly incident: string; readonly pipeline?: string; readonly reason?: string },
): Promise<number> {
  const { service, incident, pipeline } = input;
  const typed = `lastgood items ${act} ${service} ${incident}${pipeline === undefined ? '' : ` --pipeline ${pipeline}`}`;
  const reason = requireReason(input, typed);
  if (act !== 'sign-off' && pipeline === undefined) throw badUse('--pipeline is missing', `${typed} --pipeline …`);
  const about = { ...(pipeline !== undefined && { pipeline }), reason };
  const answer =
    act === 'sign-off'
      ? await context.client().tellItems(service, incident, 'sign-off', about)
      : await context.client().tellItems(service, incident, 'orders', { ...about, order: act });
  if (context.json) printJson(context.terminal, answer);
  else
    printLines(context.terminal, [
      act === 'sign-off' ? `the items of ${incident} are signed off` : `${pipeline}: ${act} is ordered`,
    ]);
  return exitCodes.ok;
}

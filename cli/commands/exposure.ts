import type { ApiClient } from '../api-client';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { summarise, type ServiceExposure } from '../exposure/summary';
import { TimingFold, timingKinds, type Timings } from '../exposure/timings';
import { renderExposure } from '../exposure/words';
import { badUse } from '../failure';
import { parseSpan } from '../moment';

const pageEntries = 1_000;

/** `lastgood exposure [service]`: what each part of the exposure cost, over the incidents on record. */
export async function exposureOf(
  context: Context,
  input: { readonly service?: string; readonly since: string },
): Promise<number> {
  const { terminal } = context;
  const sinceMs = Math.max(0, terminal.now() - parseSpan('--since', input.since));
  const client = context.client();
  const known = (await client.services()).map(({ service }) => service);
  if (input.service !== undefined && !known.includes(input.service))
    throw badUse(`${input.service}: found no such service, expected one of ${known.join(', ')}`, 'lastgood status');
  const services: ServiceExposure[] = [];
  for (const service of input.service === undefined ? known : [input.service])
    services.push(summarise(service, sinceMs, await timingsOf(client, service, sinceMs)));
  if (context.json) printJson(terminal, { services });
  else
    printLines(
      terminal,
      services.flatMap((one, index) => [...(index === 0 ? [] : ['']), ...renderExposure(one)]),
    );
  return exitCodes.ok;
}

/** Page by page and only the kinds that time something; nothing of a page is held but its figures. */
async function timingsOf(client: ApiClient, service: string, sinceMs: number): Promise<Timings> {
  const fold = new TimingFold(sinceMs);
  for (let after = 0; ;) {
    const { entries } = await client.ledger(service, { kinds: timingKinds, after, limit: pageEntries });
    for (const entry of entries) fold.add(entry);
    const last = entries.at(-1);
    if (!last || entries.length < pageEntries) return fold.end();
    after = last.seq;
  }
}

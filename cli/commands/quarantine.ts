import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { unreachable } from '../failure';
import { moment, table } from '../render/words';

/** `lastgood quarantine list [service]`: what may not be chosen, and why. */
export async function listQuarantine(context: Context, input: { readonly service?: string }): Promise<number> {
  const client = context.client();
  const views = input.service === undefined ? await client.services() : [await client.service(input.service)];
  const silent = views.find(({ status }) => status === null);
  if (silent) throw unreachable(silent.notKnown.join('; '), 'lastgood doctor');
  const kept = views.flatMap(({ service, status }) =>
    (status?.state.versions ?? [])
      .filter(({ standing }) => standing === 'quarantined' || standing === 'suspect' || standing === 'revoked')
      .map(({ version, standing, why, since }) => ({ service, version, standing, why, since })),
  );
  if (context.json) printJson(context.terminal, { quarantined: kept });
  else if (kept.length === 0) context.terminal.out('no version is quarantined, suspect or revoked');
  else
    printLines(
      context.terminal,
      table(
        kept.map(({ service, version, standing, why, since }) => [
          `${service}@${version}`,
          standing,
          moment(since),
          why,
        ]),
      ),
    );
  return exitCodes.ok;
}

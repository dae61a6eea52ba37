import type { ServiceView } from '../../api/types';
import type { Context } from '../context';
import { printLines, printJson } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse, CliFailure } from '../failure';
import { pinnedSessions } from '../render/pinned-sessions';
import { renderStatus, type StatusPage } from '../render/status';
import { conditionOf, worstCode } from '../service-condition';

export interface StatusInput {
  readonly service?: string;
  readonly watch: boolean;
  readonly everyMs: number;
  /** Ends a watch; null: only Ctrl-C does. */
  readonly timeoutMs: number | null;
}

/** `lastgood status [service] [-w]`. With `-w --timeout` it ends as soon as everything is ok. */
export async function status(context: Context, input: StatusInput): Promise<number> {
  const { terminal } = context;
  const deadline = input.timeoutMs === null ? Infinity : terminal.now() + input.timeoutMs;
  for (;;) {
    const page = await collect(context, input.service);
    const code = worstCode(page.services.map(({ condition }) => condition.code));
    if (context.json) printJson(terminal, jsonOf(page, code));
    else if (input.watch) terminal.repaint(renderStatus(page));
    else printLines(terminal, renderStatus(page));
    const awaited = input.timeoutMs !== null && code === exitCodes.ok;
    if (!input.watch || awaited || terminal.now() >= deadline) return code;
    await new Promise((resolve) => setTimeout(resolve, input.everyMs));
  }
}

async function collect(context: Context, service: string | undefined): Promise<StatusPage> {
  const remarks: string[] = [];
  let views: readonly ServiceView[];
  try {
    const client = context.client();
    views = service === undefined ? await client.services() : [await client.service(service)];
  } catch (error) {
    if (!(error instanceof CliFailure) || error.exitCode !== exitCodes.unreachable) throw error;
    const { readGateway } = await import('../gateway-view');
    views = await readGateway(context, service, error);
    remarks.push(
      `The controller is down: ${error.what}.`,
      'What follows is the word of the router alone; it goes on serving.',
    );
    if (error.todo !== null) remarks.push(`To do: ${error.todo}`, '');
  }
  if (views.length === 0) throw badUse('the controller has no service', 'lastgood validate');
  const collectedAt = context.terminal.now();
  return {
    collectedAt,
    remarks,
    services: views.map((view) => ({ view, condition: conditionOf(view, collectedAt) })),
  };
}

function jsonOf(page: StatusPage, exitCode: number): unknown {
  return {
    collectedAt: page.collectedAt,
    exitCode,
    remarks: page.remarks,
    services: page.services.map(({ view, condition }) => ({
      ...view,
      condition,
      pinnedSessions: pinnedSessions(view, page.collectedAt),
      evidence: {
        route: view.gateway ? 'Observed' : view.status ? 'Declared' : null,
        verdicts: view.status ? 'Observed' : null,
        standing: view.status ? 'Declared' : null,
        digests: 'Reported',
      },
    })),
  };
}

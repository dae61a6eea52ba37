import type { ServiceView } from '../../api/types';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { versionFor } from '../names';
import { conditionOf, worstCode, type Condition } from '../service-condition';

/** What a pipeline may do with a version now. */
export interface GateVerdict {
  readonly service: string;
  readonly version: string;
  readonly exitCode: number;
  readonly open: boolean;
  readonly reasons: readonly string[];
  readonly plan: readonly string[];
}

/**
 * `lastgood gate service@version`: 0 when the version may be deployed now, or is live and well; otherwise the exit codes
 * of `status`. A version that was rolled back from, or that a deploy would refuse, needs a human.
 */
export async function gate(context: Context, input: { readonly what: string }): Promise<number> {
  const { service, version } = await versionFor(context, input.what, (name) => `lastgood gate ${name}`);
  const client = context.client();
  const view = await client.service(service);
  const condition = conditionOf(view, context.terminal.now());
  let verdict = judge(view, condition, version);
  if (verdict.open && view.status?.state.declared?.primary !== version) {
    const answer = await client.plan(service, 'deploy', { version, reason: `gate ${service}@${version}` });
    verdict =
      answer.decision === 'planned'
        ? { ...verdict, plan: answer.plan }
        : { ...verdict, open: false, exitCode: exitCodes.needsHuman, reasons: [answer.why] };
  }
  if (context.json) printJson(context.terminal, verdict);
  else printLines(context.terminal, renderGate(verdict));
  return verdict.exitCode;
}

export function judge(view: ServiceView, condition: Condition, version: string): GateVerdict {
  const { service } = view;
  const closed = (exitCode: number, reasons: readonly string[]): GateVerdict => ({
    service,
    version,
    exitCode,
    open: false,
    reasons,
    plan: [],
  });
  const state = view.status?.state;
  if (!state) return closed(exitCodes.unreachable, condition.reasons);
  const facts = state.versions.find((known) => known.version === version);
  // One that was imported a moment ago is not told to the service yet; the dry run of the deploy asks the store.
  if (facts?.standing === 'quarantined' || facts?.standing === 'revoked' || facts?.standing === 'suspect')
    return closed(worstCode([exitCodes.needsHuman]), [`${version} is ${facts.standing}: ${facts.why}`]);
  if (condition.code !== exitCodes.ok) return closed(condition.code, condition.reasons);
  const live = state.declared?.primary === version;
  return {
    service,
    version,
    exitCode: exitCodes.ok,
    open: true,
    reasons: live ? ['it is live and well'] : [],
    plan: [],
  };
}

export function renderGate({ service, version, open, reasons, plan }: GateVerdict): string[] {
  const why = reasons.length === 0 ? '' : `: ${reasons.join('; ')}`;
  if (!open) return [`${service}@${version}: CLOSED${why}`];
  return [
    `${service}@${version}: open${why === '' ? ': it may be deployed now' : why}`,
    ...plan.map((line) => `  ${line}`),
  ];
}

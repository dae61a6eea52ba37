import { artifactFindings } from '../checks/artifacts';
import { policyFindings } from '../checks/policy';
import { fine, type Finding } from '../checks/finding';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { renderFindings } from '../render/findings';
import { loadWhole } from './whole-configuration';

/** `lastgood validate`: the configuration with every problem at once, then every source once. */
export async function validate(context: Context, input: { policy?: string; offline: boolean }): Promise<number> {
  const configuration = await loadWhole(context, input.policy);
  const names = configuration.services.map(
    ({ name, policy }) => `${name} (mode ${policy.mode}, changes: ${policy.changes})`,
  );
  const findings: Finding[] = [fine('configuration', `${configuration.file}: ${names.join(', ')}`)];
  findings.push(...policyFindings(configuration), ...(await artifactFindings(configuration)));
  if (!input.offline) {
    const { askSources } = await import('../checks/sources');
    const { readEnvironment } = await import('../../workers/environment');
    findings.push(...(await askSources(configuration, readEnvironment())));
  }
  const bad = findings.some(({ level }) => level === 'wrong');
  if (context.json) printJson(context.terminal, { ok: !bad, findings });
  else printLines(context.terminal, renderFindings(findings));
  return bad ? exitCodes.unreachable : exitCodes.ok;
}

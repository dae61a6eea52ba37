import { printJson, printLines } from '../context';
import { exitCodes } from '../exit-codes';
import type { Terminal } from '../terminal';

/** `lastgood --version`: needs no configuration and no controller; `GET /v1/health` says the same of the one that runs. */
export async function version(terminal: Terminal, { json }: { readonly json: boolean }): Promise<number> {
  const { releaseFacts } = await import('../../workers/release');
  const facts = releaseFacts();
  if (json) {
    printJson(terminal, facts);
    return exitCodes.ok;
  }
  const { commit, api, control, rules, ledgerSchema, node } = facts;
  printLines(terminal, [
    `lastgood ${facts.version} (${commit ?? 'commit unknown'})`,
    `rules ${rules}, ledger schema ${ledgerSchema}, API v${api}, gateway control v${control}, Node ${node}`,
  ]);
  return exitCodes.ok;
}

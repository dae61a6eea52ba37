import { newToken, roleNames } from '../../workers/tokens';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse } from '../failure';
import { parseSpan } from '../moment';

export interface TokenInput {
  readonly name?: string;
  readonly roles: readonly string[];
  readonly services: readonly string[];
  readonly metrics: readonly string[];
  readonly expires: string;
}

const example = 'lastgood token make --name alice --role operator --expires 90d';

/** `lastgood token make`: a new token, shown once, and its entry for `api.identity.tokensFile`, which holds a hash only. */
export function makeToken(context: Context, input: TokenInput): number {
  const { name } = input;
  if (name === undefined || !/^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/.test(name))
    throw badUse('--name is missing, or is not made of letters, digits, . _ @ -', example);
  const { token, sha256 } = newToken();
  const expires = new Date(context.terminal.now() + parseSpan('--expires', input.expires)).toISOString();
  const entry = {
    name,
    sha256,
    expires,
    ...whatItMay(input),
  };
  if (context.json) {
    printJson(context.terminal, { token, entry });
    return exitCodes.ok;
  }
  printLines(context.terminal, [
    `token of ${name}, shown this once: ${token}`,
    'its entry for the file that api.identity.tokensFile names (below `tokens:`); the file is read again when it changes:',
    ...Object.entries(entry).map(
      ([key, value], index) => `${index === 0 ? '  - ' : '    '}${key}: ${JSON.stringify(value)}`,
    ),
  ]);
  return exitCodes.ok;
}

function whatItMay({ roles: given, services, metrics }: TokenInput): object {
  if (metrics.length > 0) {
    const [service, ...more] = services;
    if (given.length > 0 || service === undefined || more.length > 0)
      throw badUse(
        '--metric makes a token for a program that pushes values: it has one --service and no --role',
        'lastgood token make --name labels --service mail --metric labels --expires 90d',
      );
    return { observes: { service, metrics } };
  }
  const unknown = given.find((role) => !roleNames.includes(role));
  if (given.length === 0 || unknown !== undefined)
    throw badUse(`--role: found ${unknown ?? 'none'}, expected one of ${roleNames.join(', ')}`, example);
  return { roles: given, ...(services.length === 0 ? {} : { services }) };
}

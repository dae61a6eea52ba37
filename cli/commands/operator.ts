import type { Context } from '../context';
import { badUse } from '../failure';
import { parseSpan } from '../moment';
import { serviceFor, serviceOfIncident, versionFor } from '../names';
import { shellWord } from '../render/words';
import { perform, requireReason, type ActOptions } from './acts';

/** The verbs of the operator: each checks its use, builds its message, and leaves the decision to the service workflow. */
export async function deploy(
  context: Context,
  input: ActOptions & { readonly what: string; readonly after?: boolean },
): Promise<number> {
  const reason = requireReason(input, `lastgood deploy ${input.what}${input.after ? ' --after' : ''}`);
  const { service, version } = await versionFor(context, input.what, (name) => `lastgood deploy ${name} --reason '…'`);
  const fields = { version, ...(input.after ? { after: true } : {}) };
  return await perform(context, { service, name: 'deploy', fields, options: input }, reason);
}

export async function rollback(
  context: Context,
  input: ActOptions & { readonly service?: string; readonly to?: string },
): Promise<number> {
  const typed = ['lastgood rollback', input.service, input.to && `--to ${input.to}`].filter(Boolean).join(' ');
  const reason = requireReason(input, typed);
  const service = await serviceFor(context, input.service, (name) => `lastgood rollback ${name} --reason '…'`);
  const to = input.to?.replace(new RegExp(`^${service}@`), '');
  const fields = to === undefined ? {} : { to };
  return await perform(context, { service, name: 'rollback', fields, options: input }, reason);
}

export async function approve(
  context: Context,
  input: ActOptions & { readonly incident: string; readonly deny?: boolean; readonly service?: string },
): Promise<number> {
  const typed = `lastgood approve ${input.incident}${input.deny ? ' --deny' : ''}`;
  const reason = requireReason(input, typed);
  const service = await serviceOfIncident(
    context.client(),
    input.incident,
    input.service,
    (name) => `${typed} --service ${name} --reason ${shellWord(reason)}`,
  );
  const fields = { incident: input.incident, decision: input.deny ? 'deny' : 'approve' };
  return await perform(context, { service, name: 'approve', fields, options: input }, reason);
}

const actions = ['retry', 'choose', 'accept', 'abort'];

export async function intervene(
  context: Context,
  input: ActOptions & {
    readonly id: string;
    readonly action: string;
    readonly target?: string;
    readonly service?: string;
  },
): Promise<number> {
  const typed = `lastgood intervene ${input.id} ${input.action}${input.target === undefined ? '' : ` --target ${input.target}`}`;
  if (!actions.includes(input.action))
    throw badUse(
      `action: found "${input.action}", expected one of ${actions.join(', ')}`,
      `lastgood intervene ${input.id} retry --reason '…'`,
    );
  if ((input.action === 'choose') !== (input.target !== undefined))
    throw badUse(
      'choose needs --target VERSION, and the other actions take none',
      `lastgood intervene ${input.id} choose --target VERSION --reason '…'`,
    );
  const reason = requireReason(input, typed);
  const service = await serviceOfIncident(
    context.client(),
    input.id,
    input.service,
    (name) => `${typed} --service ${name} --reason ${shellWord(reason)}`,
  );
  const target = input.target?.replace(new RegExp(`^${service}@`), '');
  const fields = { incident: input.id, action: input.action, ...(target === undefined ? {} : { target }) };
  return await perform(context, { service, name: 'intervene', fields, options: input }, reason);
}

export async function cancel(context: Context, input: ActOptions & { readonly what?: string }): Promise<number> {
  const reason = requireReason(input, ['lastgood cancel', input.what].filter(Boolean).join(' '));
  const client = context.client();
  const known = (await client.services()).map(({ service }) => service);
  const named = input.what !== undefined && known.includes(input.what) ? input.what : undefined;
  const incident = named === undefined ? input.what : undefined;
  const usage = (name: string): string => `lastgood cancel ${name} --reason ${shellWord(reason)}`;
  const service =
    incident === undefined
      ? await serviceFor(context, named, usage)
      : await serviceOfIncident(client, incident, undefined, usage);
  const fields = incident === undefined ? {} : { incident };
  return await perform(context, { service, name: 'cancel', fields, options: input }, reason);
}

/** The epoch is the opening that its sender looked at; without one the command shows it instead of guessing. */
export async function clearBreaker(
  context: Context,
  input: ActOptions & { readonly service?: string; readonly epoch?: string },
): Promise<number> {
  const service = await serviceFor(
    context,
    input.service,
    (name) => `lastgood breaker clear ${name} --epoch N --reason '…'`,
  );
  if (input.epoch === undefined) {
    const state = (await context.client().service(service)).status?.state;
    const reason = input.reason === undefined ? "'why you clear it'" : shellWord(input.reason);
    if (state?.breaker.open === false)
      throw badUse(`the breaker of ${service} is closed: there is nothing to clear`, `lastgood status ${service}`);
    throw badUse(
      `--epoch is missing: it says which opening of the breaker you looked at${state ? `; open is ${state.breaker.epoch}, since incident ${state.breaker.incident ?? '?'}` : ''}`,
      `lastgood explain ${state?.breaker.incident ?? service}, then: lastgood breaker clear ${service} --epoch ${state?.breaker.epoch ?? 'N'} --reason ${reason}`,
    );
  }
  const epoch = Number(input.epoch);
  if (!Number.isSafeInteger(epoch) || epoch < 0)
    throw badUse(`--epoch: found "${input.epoch}", expected a whole number`, `lastgood status ${service}`);
  const reason = requireReason(input, `lastgood breaker clear ${service} --epoch ${epoch}`);
  return await perform(
    context,
    { service, name: 'clearBreaker', fields: { breakerEpoch: epoch }, options: input },
    reason,
  );
}

type VersionAct = 'vouch' | 'revoke' | 'clearQuarantine';
const verbOf: Readonly<Record<VersionAct, string>> = {
  vouch: 'vouch',
  revoke: 'revoke',
  clearQuarantine: 'quarantine clear',
};

export async function judgeVersion(
  context: Context,
  input: ActOptions & { readonly act: VersionAct; readonly what: string },
): Promise<number> {
  const typed = `lastgood ${verbOf[input.act]}`;
  const reason = requireReason(input, `${typed} ${input.what}`);
  const { service, version } = await versionFor(
    context,
    input.what,
    (name) => `${typed} ${name} --reason ${shellWord(reason)}`,
  );
  return await perform(context, { service, name: input.act, fields: { version }, options: input }, reason);
}

export async function pause(
  context: Context,
  input: ActOptions & { readonly service?: string; readonly for?: string },
): Promise<number> {
  const place = input.service === undefined ? '' : ` ${input.service}`;
  if (input.for === undefined)
    throw badUse('--for is missing: a pause ends by itself', `lastgood pause${place} --for 30m --reason '…'`);
  const forMs = parseSpan('--for', input.for);
  if (forMs < 1000 || forMs > 30 * 86_400_000) throw badUse(`--for: found ${input.for}, expected 1s to 30d`);
  const reason = requireReason(input, `lastgood pause${place} --for ${input.for}`);
  const service = await serviceFor(
    context,
    input.service,
    (name) => `lastgood pause ${name} --for ${input.for ?? ''} --reason ${shellWord(reason)}`,
  );
  return await perform(context, { service, name: 'pause', fields: { forMs }, options: input }, reason);
}

export async function resume(context: Context, input: ActOptions & { readonly service?: string }): Promise<number> {
  const reason = requireReason(input, ['lastgood resume', input.service].filter(Boolean).join(' '));
  const service = await serviceFor(
    context,
    input.service,
    (name) => `lastgood resume ${name} --reason ${shellWord(reason)}`,
  );
  return await perform(context, { service, name: 'resume', fields: {}, options: input }, reason);
}

const modes = ['observe', 'confirm', 'act'];

export async function setMode(
  context: Context,
  input: ActOptions & { readonly mode: string; readonly service?: string },
): Promise<number> {
  const typed = ['lastgood mode', input.mode, input.service].filter(Boolean).join(' ');
  if (!modes.includes(input.mode))
    throw badUse(
      `mode: found "${input.mode}", expected one of ${modes.join(', ')}`,
      "lastgood mode observe --reason '…'",
    );
  const reason = requireReason(input, typed);
  const service = await serviceFor(
    context,
    input.service,
    (name) => `lastgood mode ${input.mode} ${name} --reason ${shellWord(reason)}`,
  );
  return await perform(context, { service, name: 'setMode', fields: { mode: input.mode }, options: input }, reason);
}

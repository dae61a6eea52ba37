import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Attachment } from '../../api/types';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { CliFailure } from '../failure';
import { serviceFor } from '../names';
import { perform, requireReason } from './acts';

const lookEveryMs = 500;
/** Drain, stops and the router: each has its own limit; here somebody waits. */
const waitMs = 10 * 60_000;

/** `lastgood detach`: ends when everything of lastgood is off the service, and says where it serves. */
export async function detach(
  context: Context,
  input: { readonly service?: string; readonly reason?: string; readonly dryRun: boolean; readonly force: boolean },
): Promise<number> {
  const { dryRun, force } = input;
  const typed = ['lastgood detach', input.service, force && '--force'].filter(Boolean).join(' ');
  const reason = requireReason(input, typed);
  const service = await serviceFor(context, input.service, (name) => `lastgood detach ${name} --reason '…'`);
  const fields = force ? { force: true } : {};
  // One answer, also as JSON: what became of it is said when it has ended.
  const quiet = { ...context, terminal: { ...context.terminal, out: () => undefined } };
  const code = await perform(
    context.json && !dryRun ? quiet : context,
    { service, name: 'detach', fields, options: { reason, dryRun } },
    reason,
  );
  if (code !== exitCodes.ok || dryRun) return code;
  const attachment = await ended(context, service);
  if (context.json) printJson(context.terminal, attachment);
  else
    printLines(context.terminal, [
      attachment.summary,
      ...attachment.addresses.map((address) => `serves on: ${address}`),
      ...(await whatRemains(context, service)),
    ]);
  return exitCodes.ok;
}

async function ended(context: Context, service: string): Promise<Attachment> {
  const client = context.client();
  for (const until = Date.now() + waitMs; ; await pause(lookEveryMs)) {
    const attachment = await client.attachment(service);
    if (!attachment.attached && attachment.ended) return attachment;
    if (Date.now() > until)
      throw new CliFailure(
        exitCodes.needsHuman,
        `${service} is detached, and its copies are not all stopped or let go of: ${attachment.summary}`,
        `lastgood history ${service}`,
      );
  }
}

/** What only the site can do: its clients still come in through the router that lastgood set up. */
async function whatRemains(context: Context, service: string): Promise<string[]> {
  if (context.options.api !== undefined) return [];
  const { loadWhole } = await import('./whole-configuration');
  const { router } = await loadWhole(context);
  if (router.kind === 'gateway')
    return [
      'the gateway passes requests on to it, and measures nothing. To be without the gateway: point the clients to the address above',
      `then take ${service} out of the configuration; copies that lastgood let go of run on when it stops`,
    ];
  const { snippetFile } = await import('../../workers/detached');
  return [
    `HAProxy goes on as it is. To be without lastgood: put ${snippetFile(router.directory, service)} into your configuration, take ${service} out of`,
    'the configuration, run `lastgood haproxy config --write` and reload HAProxy; then the maps of the service may be removed',
  ];
}

export async function attach(
  context: Context,
  input: { readonly service: string; readonly reason?: string },
): Promise<number> {
  const { service } = input;
  const reason = requireReason(input, `lastgood attach ${service}`);
  const attachment = await context.client().attach(service, { requestId: randomUUID(), reason });
  if (context.json) printJson(context.terminal, attachment);
  else
    printLines(context.terminal, [
      `${service} is attached again, paused: what serves is taken for true with lastgood resume ${service} --reason '…'`,
    ]);
  return exitCodes.ok;
}

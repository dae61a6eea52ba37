import { WorkflowNotFoundError } from '@temporalio/client';
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { z } from 'zod';
import { AlertUndelivered } from '../../adapters/alerts/sink';
import { messageId } from '../../adapters/webhooks/ledger-tail';
import type { WebhookCaller } from '../../adapters/webhooks/webhook-caller';
import type { Decisions } from '../../api/ports';
import type { ServiceStatus } from '../../workflows/contract/status';
import { parseMessage } from '../../workflows/contract/messages';

export interface Asked {
  readonly service: string;
  readonly name: string;
  readonly caller: Pick<WebhookCaller, 'ask' | 'host'>;
}

export interface ConfirmationOptions {
  readonly asked: readonly Asked[];
  readonly decisions: Pick<Decisions, 'status' | 'act'>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly everyMs: number;
  /** Pause between two attempts to reach a webhook. */
  readonly againMs: number;
}

const verdictSchema = z.object({ approve: z.boolean(), reason: z.string().min(1).max(400) });

/** One proposal of the service; a later one of the same incident is another. */
interface Proposal {
  readonly incident: string;
  readonly until: number;
}

/**
 * Asks webhooks about rollbacks that wait for an approval; a yes or no becomes the act of `webhook:NAME`. Who does not answer has said
 * nothing: the proposal waits for people, with its own limit, as it would without.
 */
export async function keepConfirmations(options: ConfirmationOptions, signal: AbortSignal): Promise<void> {
  const { asked, decisions, everyMs } = options;
  const services = [...new Set(asked.map(({ service }) => service))];
  const begun = new Map<string, string>();
  const open = new Set<Promise<void>>();
  while (!signal.aborted && services.length > 0) {
    for (const service of services) {
      const status = await decisions.status(service).catch(() => null);
      const proposal = status && proposalOf(status);
      if (!status || !proposal) continue;
      const key = keyOf(service, proposal);
      if (begun.get(service) === key) continue;
      begun.set(service, key);
      for (const one of asked.filter((each) => each.service === service)) {
        const question = askOne(one, status, proposal, options, signal).finally(() => open.delete(question));
        open.add(question);
      }
    }
    await pause(everyMs, undefined, { signal }).catch(() => undefined);
  }
  await Promise.all(open);
}

function proposalOf({ state }: ServiceStatus): Proposal | null {
  const { incident } = state;
  if (incident?.phase !== 'awaiting-approval' || incident.approvalUntil === null) return null;
  return { incident: incident.id, until: incident.approvalUntil };
}

const keyOf = (service: string, { incident, until }: Proposal): string => `${service}/${incident}/${until}`;

async function askOne(
  one: Asked,
  status: ServiceStatus,
  proposal: Proposal,
  { decisions, log, againMs }: ConfirmationOptions,
  signal: AbortSignal,
): Promise<void> {
  const { service, name, caller } = one;
  const about = { service, webhook: name, incident: proposal.incident };
  const key = keyOf(service, proposal);
  const message = { id: messageId(name, key), body: question(status, proposal) };
  while (!signal.aborted && Date.now() < proposal.until) {
    try {
      const said = verdictSchema.safeParse(await caller.ask(message, signal));
      if (!said.success) {
        log.warn(
          about,
          'a webhook was asked and answered no {"approve": true|false, "reason": TEXT}: it has said nothing',
        );
        return;
      }
      const now = await decisions.status(service);
      const open = proposalOf(now);
      // What it was asked about is over, or was proposed anew: its word is about something else.
      if (open === null || keyOf(service, open) !== key) return;
      const { approve, reason } = said.data;
      const parsed = parseMessage('approve', {
        requestId: `confirm-${createHash('sha256').update(`${name}\n${key}`).digest('hex').slice(0, 40)}`,
        actor: { name: `webhook:${name}`, proof: 'webhook', from: caller.host.slice(0, 128) },
        ...{ incident: proposal.incident, decision: approve ? 'approve' : 'deny', reason },
      });
      if (!parsed.ok) throw new TypeError(parsed.problem);
      const answer = await decisions.act(service, 'approve', parsed.message);
      log.info({ ...about, approve, decision: answer.decision, why: answer.why }, 'a webhook was asked and answered');
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof WorkflowNotFoundError || (error as Error).cause instanceof WorkflowNotFoundError) {
        log.warn(
          { ...about, why: (error as Error).message },
          'nobody decides any more on what a webhook was asked about',
        );
        return;
      }
      if (error instanceof AlertUndelivered && error.final) {
        log.warn({ ...about, why: error.message }, 'a webhook does not want to be asked: it has said nothing');
        return;
      }
      log.warn({ ...about, why: (error as Error).message }, 'a webhook could not be asked yet');
    }
    await pause(againMs, undefined, { signal }).catch(() => undefined);
  }
}

function question({ state, readiness, service }: ServiceStatus, { incident: id, until }: Proposal): string {
  const { incident, declared } = state;
  return JSON.stringify({
    type: 'lastgood.confirm-rollback',
    timestamp: new Date(incident?.detectedAt ?? until).toISOString(),
    data: {
      ...{ service, incident: id, until, epoch: declared?.epoch ?? null },
      from: incident?.from ?? null,
      target: incident?.target ?? readiness.target,
      ...{ metric: incident?.metric ?? null, tier: incident?.tier ?? null, sentence: incident?.sentence ?? '' },
    },
  });
}

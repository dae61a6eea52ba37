import { randomBytes, randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Actor, LedgerEntry } from '../domain/ledger';
import { isShared, needsSecondPerson } from '../domain/roles';
import { parseMessage, type Answer } from '../workflows/contract/messages';
import { authorise } from './identity/caller';
import type { ApiPorts } from './ports';
import { ApiError, badRequest, read, unknownName } from './problem';
import { callerOf, visible } from './rights';
import type { ActName, Proposal } from './types';

/** As long as two people need to find each other; a brake that was looked at longer ago is looked at again. */
const VALID_MS = 15 * 60_000;
const MOST = 100;

const secondBody = z.strictObject({ reason: z.string().min(1).max(500) });

type Pending = Proposal & {
  readonly body: Readonly<Record<string, unknown>>;
  readonly actor: Actor;
  /** Once it was decided: the second person, who may have lost the answer and asks for it again. */
  readonly decided?: { readonly secondedBy: string; readonly answer: Answer };
};

/**
 * Acts of regulated services that wait for a second person. They lie in this process only: with a restart they are gone and
 * are proposed again, which costs less than one that somebody finds a week later.
 */
export class Proposals {
  private readonly pending = new Map<string, Pending>();

  constructor(private readonly ports: Pick<ApiPorts, 'services' | 'decisions' | 'ledger'>) {}

  /** Null: the act needs nobody else. */
  async propose(
    service: string,
    act: ActName,
    body: Readonly<Record<string, unknown>>,
    actor: Actor,
  ): Promise<Proposal | null> {
    const regulated = this.ports.services.find(({ name }) => name === service)?.regulated === true;
    if (!needsSecondPerson({ regulated }, act) || body['dryRun'] === true) return null;
    onlyPeople(actor);
    const parsed = parseMessage(act, { requestId: randomUUID(), ...body, actor });
    if (!parsed.ok) throw badRequest(parsed.problem);
    this.forget();
    const known = this.knownBy(body['requestId'], { service, act, by: actor.name, reason: parsed.message.reason });
    if (known) return told(known);
    const waiting = [...this.pending.values()].filter(({ decided }) => decided === undefined);
    if (waiting.length >= MOST) throw new ApiError(429, 'Too many proposals', `${MOST} acts wait for a second person`);
    const id = `p-${randomBytes(4).toString('hex')}`;
    const now = Date.now();
    const { reason } = parsed.message;
    const proposal = { id, service, act, by: actor.name, reason, at: now, until: now + VALID_MS };
    await this.ports.ledger.append(entryOf(proposal, actor, `proposed/${id}`, now, `proposes ${act}: ${reason}`));
    this.pending.set(id, { ...proposal, body, actor });
    return proposal;
  }

  of(services: readonly string[]): Proposal[] {
    this.forget();
    return [...this.pending.values()]
      .filter(({ service, decided }) => services.includes(service) && decided === undefined)
      .map(told);
  }

  /** `by` asks: what was decided is there for the one who seconded it. */
  find(id: string, by: string): Pending {
    this.forget();
    const found = this.pending.get(id);
    if (found && (found.decided === undefined || found.decided.secondedBy === by)) return found;
    throw unknownName(
      `proposal: found "${id}", which does not wait (any more): it was decided, or its 15 minutes are over`,
    );
  }

  decide(id: string, secondedBy: string, answer: Answer): void {
    const found = this.pending.get(id);
    if (found) this.pending.set(id, { ...found, decided: { secondedBy, answer } });
  }

  /** The same request again, of the same person, is the same proposal. */
  private knownBy(requestId: unknown, said: Pick<Proposal, 'service' | 'act' | 'by' | 'reason'>): Pending | null {
    if (typeof requestId !== 'string') return null;
    const known = [...this.pending.values()].find(
      ({ body, service, by }) => body['requestId'] === requestId && service === said.service && by === said.by,
    );
    if (!known) return null;
    if (known.act === said.act && known.reason === said.reason) return known;
    throw new ApiError(409, 'Used before', `requestId: "${requestId}" was used for ${known.act} (${known.id})`);
  }

  private forget(): void {
    for (const [id, { until }] of this.pending) if (until <= Date.now()) this.pending.delete(id);
  }
}

export function registerProposals(
  app: FastifyInstance,
  ports: Pick<ApiPorts, 'services' | 'decisions' | 'ledger'>,
  proposals: Proposals,
): void {
  app.get('/v1/proposals', { config: { needs: 'look' } }, (request) => ({
    proposals: proposals.of(visible(request, ports.services).map(({ name }) => name)),
  }));

  // The right depends on what was proposed: it is looked at below.
  app.post('/v1/proposals/:id/second', { config: { needs: () => null } }, async (request, reply) => {
    const { id: asked } = request.params as { id: string };
    const found = proposals.find(asked, callerOf(request).actor.name);
    const { service, act, by, body, actor, id, decided } = found;
    const second = secondPerson(request, act, service, by);
    const { reason } = read(secondBody, request.body, 'body');
    const parsed = parseMessage(act, { requestId: id, ...body, actor, second });
    if (!parsed.ok) throw badRequest(parsed.problem);
    const words = `seconds ${act} of ${by}: ${reason}`;
    const at = Date.now();
    if (decided) return reply.code(decided.answer.decision === 'refused' ? 409 : 200).send(decided.answer);
    // Each word is an entry of its own: whoever was told that nobody decides now says it again.
    await ports.ledger.append(entryOf({ id, service, act, by }, second, `seconded/${id}/${at}`, at, words));
    const answer = await ports.decisions.act(service, act, parsed.message);
    // Not before it was decided; its request id makes a second time a repetition.
    proposals.decide(id, second.name, answer);
    return reply.code(answer.decision === 'refused' ? 409 : 200).send(answer);
  });
}

function told({ body: _body, actor: _actor, decided: _decided, ...proposal }: Pending): Proposal {
  return proposal;
}

function secondPerson(request: FastifyRequest, act: ActName, service: string, by: string): Actor {
  const caller = callerOf(request);
  onlyPeople(caller.actor);
  authorise(caller, act, service);
  if (caller.actor.name !== by) return caller.actor;
  throw new ApiError(403, 'Not for you', `${by} cannot be the second person of their own ${act}`);
}

function onlyPeople(actor: Actor): void {
  if (!isShared(actor)) return;
  const why = 'the token of the data directory has no person behind it; use a token of your own, or the local socket';
  throw new ApiError(403, 'Not for you', why);
}

function entryOf(
  { id, service, act, by }: Pick<Proposal, 'id' | 'service' | 'act' | 'by'>,
  actor: Actor,
  key: string,
  at: number,
  words: string,
): LedgerEntry {
  return {
    ...{ service, key, at, kind: 'operator-act', incident: null, actor },
    summary: `${actor.name} ${words}`.slice(0, 1_000),
    facts: { act, proposal: id, proposedBy: by },
  };
}

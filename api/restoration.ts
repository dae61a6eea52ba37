import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Actor, LedgerEntry } from '../domain/ledger';
import { parseMessage, type Answer } from '../workflows/contract/messages';
import { restoredFactsSchema, type RestoredFacts } from '../workflows/contract/restored';
import { acceptRestorationBody } from './bodies';
import type { ApiPorts } from './ports';
import { ApiError, notFound, read } from './problem';
import { viewService } from './service-view';
import type { Restoration, RestorationAccepted } from './types';

/** A service that was put back from a backup: what it had declared, what is found, and a person's word that it may go on. */
export function registerRestoration(
  app: FastifyInstance,
  ports: ApiPorts,
  about: {
    readonly serviceOf: (request: FastifyRequest) => { readonly name: string; readonly model: string };
    readonly actorOf: (request: FastifyRequest) => Actor;
  },
): void {
  app.get('/v1/services/:service/restoration', { config: { needs: 'look' } }, async (request): Promise<Restoration> => {
    const { name, model } = about.serviceOf(request);
    return await restorationOf(ports, name, model);
  });

  app.post(
    '/v1/services/:service/restoration/acceptance',
    { config: { needs: 'setMode' } },
    async (request): Promise<RestorationAccepted> => {
      const { name, model } = about.serviceOf(request);
      const { requestId, reason, seen, mode } = read(acceptRestorationBody, request.body, 'body');
      const actor = about.actorOf(request);
      const restoration = await restorationOf(ports, name, model);
      if (restoration.acceptedAt !== null)
        throw refused(`what differs was accepted at ${isoOf(restoration.acceptedAt)}`);
      if (restoration.digest !== seen)
        throw refused(
          'something else differs now than what was looked at: look again with lastgood restore differences',
        );
      const { differences } = restoration;
      // Before anything is written: where nobody could be told, nothing was accepted.
      const before = await ports.decisions.status(name);
      const wanted = mode ?? restoration.modeBefore ?? before.state.policy.mode;
      await ports.ledger.append(acceptance(name, actor, { requestId, reason, differences, mode: wanted }));
      const told: Answer[] = [];
      const tell = async (act: 'resume' | 'setMode', fields: Record<string, unknown>): Promise<void> => {
        const parsed = parseMessage(act, { requestId: `${requestId}-${act}`, actor, reason, ...fields });
        if (!parsed.ok) throw refused(parsed.problem);
        told.push(await ports.decisions.act(name, act, parsed.message));
      };
      if (before.state.pausedWhy !== null) await tell('resume', {});
      if (before.state.mode !== wanted) await tell('setMode', { mode: wanted });
      return { mode: wanted, differences, answers: told.map(({ decision, why }) => ({ decision, why })) };
    },
  );
}

async function restorationOf(ports: ApiPorts, name: string, model: string): Promise<Restoration> {
  const kinds = ['restored', 'restore-accepted'] as const;
  const [newest, older] = await ports.ledger.read(name, { kinds: [...kinds], newestFirst: true, limit: 2 });
  const restored = newest?.kind === 'restored' ? newest : older;
  if (restored === undefined || newest === undefined) throw notFound(`${name} was not restored from a backup`);
  const facts = restoredFactsSchema.parse(restored.facts);
  const differences = await differencesOf(ports, { name, model, facts });
  return {
    service: name,
    restoredAt: restored.at,
    by: restored.actor.name,
    summary: restored.summary,
    modeBefore: facts.modeBefore,
    acceptedAt: newest.kind === 'restore-accepted' ? newest.at : null,
    differences,
    digest: createHash('sha256').update(JSON.stringify(differences)).digest('hex'),
  };
}

interface About {
  readonly name: string;
  readonly model: string;
  readonly facts: RestoredFacts;
}

/** Declared by the backup against what is found now, one sentence each; without moments that change with every look. */
async function differencesOf(ports: ApiPorts, { name, model, facts }: About): Promise<string[]> {
  const [view, stored, schedule] = await Promise.all([
    viewService(ports, name, model),
    ports.artifacts.list(name).catch(() => null),
    ports.schedules.read(name).catch(() => null),
  ]);
  const state = view.status?.state ?? null;
  return [
    ...routeDifferences(facts, view.gateway === null ? undefined : view.gateway.record),
    ...copyDifferences(facts, state?.live ?? null),
    ...(stored === null ? ['versions: the artifact store cannot be read'] : versionDifferences(facts, stored)),
    ...(facts.operation === null
      ? []
      : [`operation: ${facts.operation} was in flight when the backup was made; nobody carries it on`]),
    ...(facts.drillSchedule !== null && schedule === null
      ? [
          `drills: the schedule (${facts.drillSchedule}) was kept by Temporal and is gone: lastgood drill schedule ${name}`,
        ]
      : []),
    ...(facts.anchorBeyond === null
      ? []
      : [
          `ledger: an anchor outside knows ${facts.anchorBeyond} entries, the backup has ${facts.head?.seq ?? 0}: what was decided between is lost, and lastgood audit verify will say so`,
        ]),
    ...(facts.brokenAt === null
      ? []
      : [`ledger: the chain does not hold from entry ${facts.brokenAt} on; it was so in the backup`]),
  ];
}

function routeDifferences(
  { declared }: RestoredFacts,
  inForce: { readonly primary: string; readonly epoch: number } | null | undefined,
): string[] {
  if (inForce === undefined) return ['route: the router cannot be read'];
  if (declared === null)
    return inForce === null ? [] : [`route: ${inForce.primary} is in force, the backup had declared none`];
  if (inForce === null) return [`route: the backup had declared ${declared.primary}, the router has none`];
  // A route that was declared anew for the same version is none.
  return inForce.primary === declared.primary
    ? []
    : [`route: the backup had declared ${declared.primary}, ${inForce.primary} is in force`];
}

function copyDifferences({ declared }: RestoredFacts, live: { readonly condition: string } | null): string[] {
  if (declared === null) return [];
  if (live === null) return ['copies: nobody has looked yet whether the live version answers'];
  return live.condition === 'answers'
    ? []
    : [`copies: the live version is ${live.condition}, lastgood status says more`];
}

function versionDifferences(
  { versions }: RestoredFacts,
  stored: readonly { readonly version: string; readonly digest: string }[],
): string[] {
  const digests = new Map(stored.map(({ version, digest }) => [version, digest]));
  return versions.flatMap(({ version, digest, standing }) => {
    const found = digests.get(version);
    if (found === digest) return [];
    return [
      found === undefined
        ? `versions: ${version} (${standing}, ${digest.slice(0, 19)}…) is not in the artifact store: lastgood artifacts import`
        : `versions: ${version} has the digest ${found.slice(0, 19)}… in the store, the backup says ${digest.slice(0, 19)}…`,
    ];
  });
}

function acceptance(
  service: string,
  actor: Actor,
  act: { requestId: string; reason: string; differences: readonly string[]; mode: string },
): LedgerEntry {
  const { requestId, reason, differences, mode } = act;
  return {
    service,
    key: `restore-accepted/${requestId}`,
    at: Date.now(),
    kind: 'restore-accepted',
    incident: null,
    actor,
    summary: `${actor.name} accepts what differs since the restore (${differences.length}), and mode ${mode}: ${reason}`,
    facts: { reason, mode, differences: differences.slice(0, 50).map((line) => line.slice(0, 200)) },
  };
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

function refused(why: string): ApiError {
  return new ApiError(409, 'It is refused', why);
}

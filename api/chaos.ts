import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Actor, LedgerEntry } from '../domain/ledger';
import { chaosBody } from './bodies';
import type { ApiPorts } from './ports';
import { ApiError, read } from './problem';
import { appendOnce } from './repeated';
import { callerOf, onlyLocal } from './rights';
import type { ChaosReport } from './types';

type Service = ApiPorts['services'][number];

/** A repetition comes within seconds. */
const LATEST = 50;

/** Chaos experiments are made from outside; here they are permitted and written down. */
export function registerChaos(
  app: FastifyInstance,
  ports: ApiPorts,
  known: (request: FastifyRequest) => Service,
): void {
  app.post('/v1/services/:service/chaos', { config: { needs: 'runChaos' } }, async (request) => {
    onlyLocal(request);
    const service = known(request);
    const { actor } = callerOf(request);
    const { consent, ...body } = read(chaosBody, request.body, 'body');
    const entry = chaosEntry(service.name, actor, body as ChaosReport);
    // The end of a run is told whatever the configuration says by then, and a begin that is on record was permitted.
    if (body.phase === 'began' && !(await isRecorded(ports, entry))) await permit(ports, service, consent);
    await appendOnce(ports.ledger, entry);
    return { recorded: 1 };
  });
}

async function isRecorded({ ledger }: ApiPorts, { service, kind, key }: LedgerEntry): Promise<boolean> {
  const latest = await ledger.read(service, { kinds: [kind], newestFirst: true, limit: LATEST });
  return latest.some((entry) => entry.key === key);
}

/** @throws ApiError where no experiment may begin */
async function permit(
  { decisions }: ApiPorts,
  { name, chaos, regulated }: Service,
  consent: string | undefined,
): Promise<void> {
  const forbidden = (detail: string): ApiError => new ApiError(403, 'No experiments on this service', detail);
  if (regulated === true) throw forbidden(`${name} is regulated: nothing is broken on purpose where its users are`);
  if (chaos === 'refuse')
    throw forbidden(`services.${name}.chaos is refuse; set it to ask or allow where its users may be disturbed`);
  if (chaos === 'ask' && consent !== name)
    throw forbidden(`services.${name}.chaos is ask, and nobody consented: add --consent ${name}`);
  const { state } = await decisions.status(name);
  if (state.breaker.open)
    throw new ApiError(409, 'Not now', `the breaker of ${name} is open: a person has not said yet that it may go on`);
  if (state.operation !== null)
    throw new ApiError(409, 'Not now', `${state.operation.kind} ${state.operation.id} is in flight`);
}

/** The key makes a repeated report the same entry. */
function chaosEntry(service: string, actor: Actor, report: ChaosReport): LedgerEntry {
  const { run, phase, experiment, atMs, reason, summary, facts } = report;
  return {
    service,
    key: `chaos/${run}/${phase}`,
    at: Math.round(atMs),
    kind: 'operator-act',
    incident: null,
    actor,
    summary: `${summary}, by ${actor.name}: ${reason}`,
    facts: { act: 'chaos', run, phase, experiment, ...facts },
  };
}

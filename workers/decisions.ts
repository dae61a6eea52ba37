import {
  isGrpcServiceError,
  QueryRejectCondition,
  QueryRejectedError,
  WorkflowClient,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  type Client,
  type WorkflowHandle,
} from '@temporalio/client';
import { DecisionsUnreachable, type Decisions } from '../api/ports';
import type { DetectionLimits, DrillRequests, ServiceStanding } from '../activities/ports';
import type { ActSignature } from '../workflows/contract/act-signature';
import type { Baseline } from '../workflows/contract/activities';
import { detectionWorkflowId, serviceWorkflowId } from '../workflows/contract/ids';
import { parseMessage, type Answer, type OperatorMessage } from '../workflows/contract/messages';
import type { ActSigner } from './act-signer';
import { signalNames } from '../workflows/contract/signals';
import { limitsQueryName, statusQueryName, type ServiceStatus } from '../workflows/contract/status';

const queryLimitMs = 2_000;
const updateLimitMs = 10_000;

/** The service workflows, asked and told through Temporal. */
export function temporalDecisions(
  client: Client,
  signer: ActSigner | null,
): Decisions & DetectionLimits & DrillRequests {
  const handle = (service: string): WorkflowHandle => client.workflow.getHandle(serviceWorkflowId(service));
  const running = onlyRunning(client);
  const decisions: Decisions = {
    status: (service) =>
      guarded(service, () =>
        client.withDeadline(Date.now() + queryLimitMs, () =>
          running.getHandle(serviceWorkflowId(service)).query<ServiceStatus>(statusQueryName),
        ),
      ),
    act: (service, name, message) =>
      guarded(service, () =>
        client.withDeadline(Date.now() + updateLimitMs, () =>
          handle(service).executeUpdate<Answer, [unknown]>(name, {
            args: [withoutName(signed(service, message, signer))],
            // Temporal answers a repeated id within a run; the workflow itself remembers across runs.
            updateId: message.requestId,
          }),
        ),
      ),
    artifactsChanged: (service) =>
      guarded(service, () =>
        client.withDeadline(Date.now() + queryLimitMs, () => handle(service).signal(signalNames.artifactsChanged)),
      ),
  };
  return {
    ...decisions,
    limits: (service) =>
      guarded(service, () =>
        client.withDeadline(Date.now() + queryLimitMs, () =>
          client.workflow.getHandle(detectionWorkflowId(service)).query<Baseline | null>(limitsQueryName),
        ),
      ),
    ask: async (service, requestId, request) => {
      const parsed = parseMessage('drill', { requestId, actor: scheduleActor, ...request });
      if (!parsed.ok) throw new TypeError(`a drill cannot be asked for: ${parsed.problem}`);
      return await decisions.act(service, 'drill', parsed.message);
    },
  };
}

/** One that has ended (a detached service) would answer with the last that it knew: nobody's word any more. */
function onlyRunning({ connection, options }: Client): WorkflowClient {
  return new WorkflowClient({
    connection,
    namespace: options.namespace,
    ...(options.dataConverter && { dataConverter: options.dataConverter }),
    queryRejectCondition: QueryRejectCondition.NOT_OPEN,
  });
}

/** Whoever has identified the actor says so by the signature; the workflow believes no other word on it. */
function signed(
  service: string,
  message: OperatorMessage,
  signer: ActSigner | null,
): OperatorMessage & { readonly signature?: ActSignature } {
  return signer === null ? message : { ...message, signature: signer.sign(service, message, Date.now()) };
}

/** Nobody's word: it never begins a live drill. */
const scheduleActor = { name: 'schedule', proof: 'lastgood', from: 'Temporal schedule' } as const;

/** The envelope carries no name: that is the Update's own. */
function withoutName({ name: _name, ...body }: { readonly name: string }): unknown {
  return body;
}

async function guarded<T>(service: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw new DecisionsUnreachable(reason(service, error), { cause: error });
  }
}

function reason(service: string, error: unknown): string {
  if (error instanceof WorkflowNotFoundError) return `the workflow of ${service} does not run yet`;
  if (error instanceof QueryRejectedError) return `the workflow of ${service} has ended`;
  if (error instanceof WorkflowUpdateFailedError)
    return `the workflow of ${service}: ${error.cause?.message ?? error.message}`;
  if (isGrpcServiceError(error)) return `Temporal: ${error.details || error.message}`;
  return error instanceof Error ? error.message : String(error);
}

/** The decisions of the service workflow as an effect must read them immediately before it happens. */
export function standingOf(decisions: Pick<Decisions, 'status'>): ServiceStanding {
  return {
    async read(service) {
      const { state } = await decisions.status(service);
      const { operation } = state;
      return {
        breakerOpen: state.breaker.open,
        breakerEpoch: state.breaker.epoch,
        pausedUntil: state.pausedUntil,
        pausedWhy: state.pausedWhy,
        incident: state.incident?.id ?? null,
        // One that is being stopped has lost its grant at once, before the fence has reached the router.
        grant:
          operation === null || operation.stopping !== null
            ? null
            : { incident: operation.incident ?? operation.id, from: operation.epochs.from, to: operation.epochs.to },
        unusable: state.versions.flatMap(({ version, standing, why }) =>
          standing === 'quarantined' || standing === 'revoked'
            ? [{ version, standing, why: `${standing}: ${why}` }]
            : [],
        ),
      };
    },
  };
}

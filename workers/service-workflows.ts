import { randomUUID } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Decisions } from '../api/ports';
import { CONTROL_QUEUE, detectionWorkflowId, searchAttributes, serviceWorkflowId } from '../workflows/contract/ids';
import type { ServicePolicy } from '../domain/policy';
import { type DetectionInput, type ServiceInput } from '../workflows/contract/inputs';
import { parseMessage } from '../workflows/contract/messages';
import { keepsSamples, type Configuration, type ServiceConfiguration } from './configuration/configuration';

export interface EnsureOptions {
  readonly client: Client;
  readonly configuration: Configuration;
  /** Names that the server has: an unregistered one would fail the start, or the workflow task for ever. */
  readonly registered: readonly string[];
  /** Whose word on an actor counts. */
  readonly actKeys: readonly string[];
  /** That new decisions are made by; not newer than any controller that is there knows. */
  readonly rules: number;
}

/** Starts both workflows of a service where they do not run; harmless where they do. */
export async function ensureWorkflows(service: ServiceConfiguration, options: EnsureOptions): Promise<void> {
  const { client, configuration } = options;
  const serviceInput: ServiceInput = {
    service: service.name,
    host: configuration.controlHost,
    model: service.model,
    policy: policyOf(service, options),
    rules: options.rules,
    samples: keepsSamples(service),
    searchAttributes: options.registered,
  };
  const external = service.serving.runtime === 'external';
  const detectionInput: DetectionInput = { service: service.name, ...(external ? { external } : {}) };
  const common = {
    taskQueue: CONTROL_QUEUE,
    workflowIdConflictPolicy: 'USE_EXISTING' as const,
    workflowIdReusePolicy: 'ALLOW_DUPLICATE' as const,
    ...(options.registered.includes(searchAttributes.service)
      ? { searchAttributes: { [searchAttributes.service]: [service.name] } }
      : {}),
  };
  await client.workflow.start('serviceWorkflow', {
    ...common,
    workflowId: serviceWorkflowId(service.name),
    args: [serviceInput],
    staticSummary: `${service.name}: decides`,
  });
  await client.workflow.start('detectionWorkflow', {
    ...common,
    workflowId: detectionWorkflowId(service.name),
    args: [detectionInput],
    staticSummary: `${service.name}: measures`,
  });
}

/** Sends policy and rules when the running workflow has others. True when it has these now or will take them over. */
export async function configureWorkflow(
  service: ServiceConfiguration,
  {
    decisions,
    configuration,
    actKeys,
    rules: wanted,
  }: Pick<EnsureOptions, 'configuration' | 'actKeys' | 'rules'> & { readonly decisions: Decisions },
  log: Logger,
): Promise<boolean> {
  const { state } = await decisions.status(service.name);
  const policy = policyOf(service, { configuration, actKeys });
  // Never back: what was decided by newer ones could not be replayed.
  const rules = Math.max(state.rules, wanted);
  if (state.rules === rules && same(state.policy, policy)) return true;
  const parsed = parseMessage('configure', {
    requestId: `configure-${randomUUID()}`,
    actor: { name: 'controller', proof: 'lastgood', from: configuration.host },
    reason: `policy of ${configuration.file}`,
    policy,
    rules,
  });
  if (!parsed.ok) throw new Error(`the policy of ${service.name} cannot be sent: ${parsed.problem}`);
  const answer = await decisions.act(service.name, 'configure', parsed.message);
  log.info({ service: service.name, decision: answer.decision, why: answer.why }, 'policy sent');
  return answer.decision !== 'refused';
}

/** Above so many services the server could not write the signs of life of one service of few. */
const MANY_SERVICES = 60;
const MANY_SIGN_OF_LIFE_MS = 7_000;

/** The policy of the file, and what the controller itself has to say to the workflow. */
function policyOf(
  { policy }: ServiceConfiguration,
  { configuration, actKeys }: Pick<EnsureOptions, 'configuration' | 'actKeys'>,
): ServicePolicy {
  const { detection } = policy;
  const many = configuration.services.length > MANY_SERVICES;
  return { ...policy, actKeys, ...(many && { detection: { ...detection, signOfLifeMs: MANY_SIGN_OF_LIFE_MS } }) };
}

function same(left: unknown, right: unknown): boolean {
  return canonicalize(left) === canonicalize(right);
}

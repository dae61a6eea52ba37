import type { Client } from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow';
import { z } from 'zod';
import { serviceWorkflowId } from '../workflows/contract/ids';
import { NEWEST_RULES } from '../workflows/contract/inputs';

const inputSchema = z.object({ rules: z.int() });

/**
 * Why this release must not decide: a service that is decided by rules which it does not know. Null: none is. A worker that
 * took such a workflow would replay it wrongly and hold it up. Reads the first event of each service workflow.
 */
export async function newerRules(client: Client, services: readonly string[]): Promise<string | null> {
  for (const service of services) {
    const rules = await rulesOf(client, service);
    if (rules !== null && rules > NEWEST_RULES)
      return `${service} is decided by rules ${rules}, and this release knows them up to ${NEWEST_RULES}: start the release again that ran before`;
  }
  return null;
}

/** Of the run that goes on now; null where there is none, or its input cannot be read. */
async function rulesOf(client: Client, service: string): Promise<number | null> {
  try {
    const { history } = await client.workflowService.getWorkflowExecutionHistory({
      namespace: client.options.namespace,
      execution: { workflowId: serviceWorkflowId(service) },
      maximumPageSize: 1,
    });
    const payloads = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads;
    const [input] = await decodeArrayFromPayloads(client.options.loadedDataConverter, payloads);
    const parsed = inputSchema.safeParse(input);
    return parsed.success ? parsed.data.rules : null;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === NOT_FOUND) return null;
    throw error;
  }
}

/** gRPC's code. */
const NOT_FOUND = 5;

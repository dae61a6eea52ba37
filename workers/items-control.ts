import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { DecisionsUnreachable, type ItemsControl } from '../api/ports';
import type { ActSigner } from './act-signer';
import { itemsWorkflowId } from '../workflows/contract/ids';
import { itemsOrderedName, itemsQueryName, itemsSubject, type ItemsStatus } from '../workflows/contract/items';

const askLimitMs = 2_000;

/** The workflows that treat items, asked and told through Temporal. */
export function temporalItems(client: Client, signer: ActSigner): ItemsControl {
  return {
    async progress(service, incident) {
      const handle = client.workflow.getHandle(itemsWorkflowId(service, incident));
      try {
        return await client.withDeadline(Date.now() + askLimitMs, () => handle.query<ItemsStatus>(itemsQueryName));
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return null;
        throw error;
      }
    },
    async order(service, incident, order) {
      const handle = client.workflow.getHandle(itemsWorkflowId(service, incident));
      const signed = { ...order, signature: signer.sign(itemsSubject(service, incident), order, Date.now()) };
      try {
        await client.withDeadline(Date.now() + askLimitMs, () => handle.signal(itemsOrderedName, signed));
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new DecisionsUnreachable(`the items of ${incident} of ${service} are not being treated: ${why}`, {
          cause: error,
        });
      }
    },
  };
}

import type { OperationInput } from '../rollback/operation';
import type { Incident, ServiceState } from './state';

/**
 * What a rollback must see to beside the traffic: the items that the version it leaves handled since the onset. Undefined
 * where no pipeline is declared, and where there is no incident: without an onset nothing says which items are meant.
 */
export function itemsOf({ policy }: ServiceState, incident: Incident | null): OperationInput['items'] {
  if (policy.pipelines === undefined || policy.pipelines.length === 0 || incident === null) return undefined;
  return {
    incident: incident.id,
    onsetAt: incident.onsetAt ?? incident.detectedAt,
    pipelines: policy.pipelines,
    unverified: policy.unverifiedOperators,
    ...(policy.actKeys && { actKeys: policy.actKeys }),
  };
}

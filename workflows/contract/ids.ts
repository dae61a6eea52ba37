/** The only place that builds workflow ids, task queues and search attribute names. They are wire names. */
export const CONTROL_QUEUE = 'lastgood-control';
export const WATCH_QUEUE = 'lastgood-watch';

/** One slot: everything that starts or stops what serves on the host. */
export function hostQueue(host: string): string {
  return `lastgood-host-${host}`;
}

/** One slot: every command to the routers of the host; apart from the serving queue so that a fence never waits for a load. */
export function routerQueue(host: string): string {
  return `lastgood-router-${host}`;
}

export const serviceWorkflowId = (service: string): string => `service/${service}`;
export const detectionWorkflowId = (service: string): string => `detection/${service}`;
export const rollbackWorkflowId = (service: string, operation: string): string => `rollback/${service}/${operation}`;
export const drillWorkflowId = (service: string, drill: string): string => `drill/${service}/${drill}`;
export const drillScheduleId = (service: string): string => `drills/${service}`;
export const retirementWorkflowId = (service: string, instance: string): string => `retirement/${service}/${instance}`;
/** By the epoch of the record that stays in force: a service may be attached and detached again. */
export const detachmentWorkflowId = (service: string, epoch: number): string => `detachment/${service}/${epoch}`;
/** One for an incident: what its degraded version handled is treated once. */
export const itemsWorkflowId = (service: string, incident: string): string => `items/${service}/${incident}`;

/** One for each cache that an operation could not bring to its version. */
export const cacheRepairWorkflowId = (service: string, operation: string, cache: string): string =>
  `caches/${service}/${operation}/${cache}`;

export const searchAttributes = {
  service: 'LastgoodService',
  state: 'LastgoodState',
  version: 'LastgoodVersion',
  incident: 'LastgoodIncident',
} as const;

/** Registered by the supervisor and the controller; all are keywords. */
export const searchAttributeTypes: Readonly<Record<string, 'Keyword'>> = {
  [searchAttributes.service]: 'Keyword',
  [searchAttributes.state]: 'Keyword',
  [searchAttributes.version]: 'Keyword',
  [searchAttributes.incident]: 'Keyword',
};

export { serviceWorkflow } from './service';
export { rollbackWorkflow } from './rollback';
export { retirementWorkflow } from './retirement';
export { drillWorkflow } from './drill';
export { scheduledDrillWorkflow } from './scheduled-drill';
export { detectionWorkflow } from './detection';
export { cacheRepairWorkflow } from './cache-repair';
export { itemsWorkflow } from './items';

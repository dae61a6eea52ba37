export { serviceWorkflow } from './service';
export { rollbackWorkflow } from './rollback';
export { retirementWorkflow } from './retirement';
export { detectionWorkflow } from './detection';
export { cacheRepairWorkflow } from './cache-repair';
export { itemsWorkflow } from './items';

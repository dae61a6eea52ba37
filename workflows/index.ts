export { serviceWorkflow } from './service';
export { rollbackWorkflow } from './rollback';
export { retirementWorkflow } from './retirement';
export { detectionWorkflow } from './detection';
export { itemsWorkflow } from './items';

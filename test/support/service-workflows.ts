/** The workflows of a service without its detection: the tests report in its place. */
export { serviceWorkflow } from '../../workflows/service';
export { rollbackWorkflow } from '../../workflows/rollback';
export { drillWorkflow } from '../../workflows/drill';
export { detachmentWorkflow } from '../../workflows/detachment';
export { retirementWorkflow } from '../../workflows/retirement';

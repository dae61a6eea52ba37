/** Input, reports and orders of `rollbackWorkflow`; defined by the domain, which decides on them. */
export type * from '../../domain/rollback/operation';

export type { DetachmentInput } from '../../domain/service/commands';

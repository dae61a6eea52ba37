export type { RecoveredState } from '../../domain/service/recovery';

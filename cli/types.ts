import type { LedgerPage, ServiceStatus } from '../api/types';

/** Types of the controller's answers, by the names that commands use. */
export type Entry = LedgerPage['entries'][number];
export type EntryKind = Entry['kind'];
export type Facts = Entry['facts'];
export type State = ServiceStatus['state'];
export type Readiness = ServiceStatus['readiness'];
export type Route = NonNullable<State['declared']>;
export type VersionFacts = State['versions'][number];

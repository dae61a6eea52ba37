import { instanceName } from './route';

/** Where the copies of a service run, when that is more than one host. */
export interface ReplicaPlan {
  readonly hosts: readonly string[];
  /** A version takes no traffic with fewer copies, except in an emergency. */
  readonly minReplicas: number;
}

/** The copy of a version on one of several hosts: its name says where it is, so that whoever ends it knows whom to ask. */
export function instanceOn(service: string, version: string, id: string, host: string): string {
  return `${instanceName(service, version, id)}@${host}`;
}

/** Host of a copy of a service on several hosts; null where the service has only one. */
export function hostOfInstance(instance: string): string | null {
  const at = instance.lastIndexOf('@');
  return at > instance.indexOf('#') ? instance.slice(at + 1) : null;
}

/** What a host says of its copies; `ended` is null where nobody answers for the host. */
export interface HostEndings {
  readonly host: string;
  readonly asked: readonly string[];
  readonly ended: readonly string[] | null;
}

/**
 * How silent copies ended; null while that is not known. Every host that answers must say that its own have ended, and at
 * least one must answer: a host for which nobody answers took its copies with it, as far as the users are concerned.
 */
export function howAllEnded(hosts: readonly HostEndings[]): string | null {
  const answering = hosts.filter(({ ended }) => ended !== null);
  if (answering.length === 0) return null;
  if (answering.some(({ asked, ended }) => !asked.every((instance) => ended?.includes(instance)))) return null;
  const words = hosts.flatMap(({ host, ended }) =>
    ended === null ? [`nobody answers for ${host}`] : ended.map((instance) => `${instance} ended`),
  );
  return words.join('; ').slice(0, 300);
}

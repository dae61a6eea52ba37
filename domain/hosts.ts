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

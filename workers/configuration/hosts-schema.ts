import { z } from 'zod';
import type { ReplicaPlan } from '../../domain/hosts';
import type { Contradiction } from './cross-checks';
import type { ConfigurationText, ServiceText } from './schema';

export const hostName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'a host name: lower-case letters, digits, . and -');

const addressWords = 'an IP address of that host, such as 10.0.0.1';
const address = z.union([z.ipv4(), z.ipv6()], addressWords);

/** Where the copies of a service run, and at which address of the host they listen and are reached. */
export const hostsSchema = z
  .record(hostName, z.strictObject({ reachedAt: address.optional() }))
  .refine((hosts) => Object.keys(hosts).length >= 1 && Object.keys(hosts).length <= 16, '1 to 16 hosts, by name');

export const LOOPBACK = '127.0.0.1';

/** Address of each host of a service by its name; a service that names none has its copies on this host's loopback. */
export function resolveHosts(own: string, { hosts }: Pick<ServiceText, 'hosts'>): Readonly<Record<string, string>> {
  const named = Object.entries(hosts ?? { [own]: {} });
  return Object.fromEntries(named.map(([name, { reachedAt = LOOPBACK }]) => [name, reachedAt]));
}

/** Nothing for a service on one host: it has no word of hosts anywhere. */
export function replicasOf(hosts: Readonly<Record<string, string>>, minReplicas: number): ReplicaPlan | null {
  const names = Object.keys(hosts);
  return names.length < 2 ? null : { hosts: names, minReplicas };
}

/** What no single value shows: paths begin at the file. */
export function checkHosts({ host, router, services }: ConfigurationText): Contradiction[] {
  return Object.entries(services).flatMap(([name, service]) => {
    const several = Object.keys(service.hosts ?? {}).length > 1;
    const found = [...checkNames(host, service), ...checkAddresses(service), ...(several ? checkRuntime(service) : [])];
    const here = found.map((one) => ({ ...one, path: ['services', name, ...one.path] }));
    return several ? [...here, ...checkRouter(name, router)] : here;
  });
}

function checkNames(own: string, { hosts = { [own]: {} }, minReplicas }: ServiceText): Contradiction[] {
  const found: Contradiction[] = [];
  const names = Object.keys(hosts);
  if (!names.includes(own)) {
    const problem =
      `found ${names.join(', ')}, expected ${own} among them, the host of this file: controller and router run there, ` +
      'and the standby is kept there';
    found.push({ path: ['hosts'], problem });
  }
  if (minReplicas > names.length) {
    const problem = `found ${minReplicas} with ${counted(names.length)}, expected at most ${names.length}`;
    found.push({ path: ['minReplicas'], problem });
  }
  return found;
}

function counted(hosts: number): string {
  return hosts === 1 ? 'one host' : `${hosts} hosts`;
}

function checkAddresses({ hosts = {}, serving }: ServiceText): Contradiction[] {
  const found: Contradiction[] = [];
  const several = Object.keys(hosts).length > 1;
  const taken = new Map<string, string>();
  for (const [name, { reachedAt }] of Object.entries(hosts)) {
    const at = (problem: string): void => void found.push({ path: ['hosts', name, 'reachedAt'], problem });
    if (reachedAt === undefined) {
      if (several) at('is missing, expected the address at which the other hosts reach its copies');
      continue;
    }
    if (reachedAt === '0.0.0.0' || reachedAt === '::')
      at(`found ${reachedAt}, every address of the host, expected the one of a private network: copies have no TLS`);
    const other = taken.get(reachedAt);
    if (other !== undefined) at(`found ${reachedAt}, which ${other} has already: copies would be taken for each other`);
    taken.set(reachedAt, name);
  }
  const beyond = Object.values(hosts).find(({ reachedAt = LOOPBACK }) => reachedAt !== LOOPBACK);
  if (beyond === undefined) return found;
  if (serving.runtime === 'process' && !serving.command.some((argument) => argument.includes('{host}'))) {
    const problem = `has no {host}: copies are reached at ${beyond.reachedAt ?? ''}, so they must be told to listen there`;
    found.push({ path: ['serving', 'command'], problem });
  }
  if (serving.runtime === 'docker') {
    const { host, publishAt, reachedAt } = serving.docker;
    if (host !== undefined || publishAt !== undefined || reachedAt !== undefined) {
      const problem =
        'found host, publishAt or reachedAt beside hosts, which says where copies are published and reached';
      found.push({ path: ['serving', 'docker'], problem: `${problem}; expected the socket of each host` });
    }
    if (serving.network === 'host') {
      const problem = 'found host beside hosts with addresses: such a copy listens where it likes, expected bridge';
      found.push({ path: ['serving', 'network'], problem });
    }
  }
  return found;
}

function checkRuntime({ serving }: ServiceText): Contradiction[] {
  if (serving.runtime === 'process' || serving.runtime === 'docker') return [];
  const problem =
    `found ${serving.runtime} with several hosts, expected process or docker: ` +
    'a server that runs already has one address here. Name the address of what spreads its requests, or make it a service a host';
  return [{ path: ['hosts'], problem }];
}

/** A host worker asks the router before it stops a copy, and no answer is no yes. */
function checkRouter(service: string, router: ConfigurationText['router']): Contradiction[] {
  if (router.kind === 'haproxy') {
    const problem =
      'found several hosts with router haproxy, expected router gateway: host workers ask the router before they stop a copy, ' +
      'and the commands of HAProxy are reached on its own host only';
    return [{ path: ['services', service, 'hosts'], problem }];
  }
  if (router.reachedAt !== undefined) return [];
  const problem =
    'is missing, expected {control, tokenFile, caFile?}: the host workers of other hosts ask this gateway before they stop a copy ' +
    `(services.${service}.hosts has several)`;
  return [{ path: ['router', 'reachedAt'], problem }];
}

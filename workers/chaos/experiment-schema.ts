import { readFileSync } from 'node:fs';
import { z } from 'zod';
import {
  checkedInvariants,
  killableParts,
  outcomes,
  rollbackSteps,
  type Experiment,
  type ManifestJson,
} from '../../domain/chaos/experiment';
import { ConfigurationError } from '../configuration/configuration';
import { count, duration, path, rate, serviceName, size, versionName } from '../configuration/fields';
import { describeIssues } from '../configuration/problems';
import { readYaml } from '../configuration/yaml-file';

/** `live`, `target`, `left`, `fallback`, or the name of a version. */
const version = versionName;
const faultLimit = duration({ min: '1s', max: '10m' });
const manifest = z.record(z.string(), z.json());
const cluster = {
  manifest,
  context: z.string('the name of a context of the kubeconfig').min(1),
  kubeconfig: path.nullable().prefault(null),
  limit: duration({ min: '1s', max: '1h' }).prefault('5m'),
};

const fault = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('corrupt-artifact'),
    version: version.prefault('target'),
    how: z.enum(['flip', 'truncate', 'remove', 'add']).prefault('flip'),
  }),
  z.strictObject({ kind: z.literal('kill-serving'), version: version.prefault('live') }),
  z.strictObject({
    kind: z.literal('freeze-serving'),
    version: version.prefault('live'),
    limit: faultLimit.prefault('30s'),
  }),
  z.strictObject({
    kind: z.literal('fill-disk'),
    where: z.enum(['data', 'artifacts']).prefault('data'),
    atMost: size.prefault('64MiB'),
    keepFree: size.prefault('1GiB'),
  }),
  z.strictObject({
    kind: z.literal('registry'),
    proxy: z.string().regex(/^[a-z0-9][a-z0-9-]{0,30}$/, 'the name of a chaos proxy: lower-case letters, digits and -'),
    mode: z.enum(['cut', 'slow']).prefault('cut'),
    delay: duration({ max: '5m' }).prefault('2s'),
    limit: faultLimit.prefault('60s'),
  }),
  z.strictObject({
    kind: z.literal('load-surge'),
    perSecond: count(1, 5_000),
    for: faultLimit.prefault('30s'),
    maxRequests: count(1, 200_000).prefault(20_000),
  }),
  z.strictObject({ kind: z.literal('kill-part'), part: z.enum(killableParts) }),
  z.strictObject({ kind: z.literal('reload-router') }),
  z.strictObject({ kind: z.literal('chaos-mesh'), ...cluster }),
  z.strictObject({ kind: z.literal('litmus'), ...cluster }),
]);

const expectation = z.strictObject({
  within: duration({ min: '1s', max: '1h' }).prefault('2m'),
  outcome: z
    .union([z.enum(outcomes), z.array(z.enum(outcomes)).min(1)], {
      error: `one or several of ${outcomes.join(', ')}`,
    })
    .transform((one) => (Array.isArray(one) ? one : [one])),
  targetDropped: z.boolean().nullable().prefault(null),
  primary: z.enum(['same', 'moved', 'target', 'any']).prefault('any'),
  lost: count(0, 1_000_000).prefault(0),
  failed: count(0, 1_000_000).prefault(0),
  invariants: z
    .union([z.literal('all'), z.array(z.enum(checkedInvariants)).min(1)], {
      error: `all, or some of ${checkedInvariants.join(', ')}`,
    })
    .prefault('all')
    .transform((given) => (given === 'all' ? [...checkedInvariants] : given)),
});

/** An experiment as people write it. */
export const experimentSchema = z
  .strictObject({
    schema: z.literal(1, '1'),
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and -, at most 63'),
    why: z.string('what it shows, in words').min(1).max(500),
    service: serviceName.optional(),
    users: z.strictObject({ perSecond: count(1, 1_000).prefault(10) }).prefault({}),
    steadyState: z
      .strictObject({
        within: duration({ min: '1s', max: '10m' }).prefault('60s'),
        errors: z.strictObject({ atMost: rate.prefault(0), of: count(1, 10_000).prefault(20) }).prefault({}),
        routeStable: duration({ max: '5m' }).prefault('1s'),
      })
      .prefault({}),
    trigger: z
      .discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('manual-rollback'), to: version.optional() }),
        z.strictObject({ kind: z.literal('none') }),
      ])
      .prefault({ kind: 'none' }),
    at: z.enum(['before', ...rollbackSteps]).prefault('before'),
    fault,
    expect: expectation,
    recoverWithin: duration({ min: '1s', max: '1h' }).prefault('2m'),
    putBack: z.boolean().prefault(true),
  })
  .refine(({ at, trigger }) => at === 'before' || trigger.kind !== 'none', {
    path: ['at'],
    message: 'before, where nothing is triggered',
  })
  .refine(({ trigger, fault: made }) => trigger.kind !== 'none' || !('version' in made && made.version === 'target'), {
    path: ['fault'],
    message: 'a version that is there: without a trigger there is no target',
  });

export type ExperimentText = z.output<typeof experimentSchema>;

/**
 * Reads an experiment.
 * @throws ConfigurationError with every problem at once: file, line, column, path, found, expected
 */
export function readExperiment(file: string, service: string | null): Experiment {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError([`${file}: ${(error as Error).message}; lastgood chaos list shows those that ship`]);
  }
  const yaml = readYaml(text);
  if (!yaml.ok) throw new ConfigurationError(yaml.problems.map(({ place, text: why }) => `${file}:${place}: ${why}`));
  const parsed = experimentSchema.safeParse(yaml.file.value, { reportInput: true });
  if (!parsed.success)
    throw new ConfigurationError(describeIssues(file, yaml.file, experimentSchema, parsed.error.issues));
  const named = service ?? parsed.data.service;
  if (named === undefined)
    throw new ConfigurationError([`${file}: service: is missing, expected the name of a service`]);
  return resolved(parsed.data, named);
}

function resolved(given: ExperimentText, service: string): Experiment {
  const { steadyState, expect, trigger } = given;
  return {
    name: given.name,
    why: given.why,
    service,
    users: given.users,
    steadyState: {
      withinMs: steadyState.within,
      errors: steadyState.errors,
      routeStableMs: steadyState.routeStable,
    },
    trigger:
      trigger.kind === 'none'
        ? trigger
        : {
            kind: trigger.kind,
            to: trigger.to === undefined || trigger.to === 'cold' ? null : trigger.to,
            cold: trigger.to === 'cold',
          },
    at: given.at,
    fault: resolvedFault(given.fault),
    expect: {
      withinMs: expect.within,
      outcomes: expect.outcome,
      targetDropped: expect.targetDropped,
      primary: expect.primary,
      lostAtMost: expect.lost,
      failedAtMost: expect.failed,
      invariants: expect.invariants,
    },
    recoverWithinMs: given.recoverWithin,
    putBack: given.putBack,
  };
}

function resolvedFault(given: ExperimentText['fault']): Experiment['fault'] {
  switch (given.kind) {
    case 'corrupt-artifact':
    case 'kill-serving':
    case 'kill-part':
    case 'reload-router':
      return given;
    case 'freeze-serving':
      return { kind: given.kind, version: given.version, limitMs: given.limit };
    case 'fill-disk':
      return { kind: given.kind, where: given.where, atMostBytes: given.atMost, keepFreeBytes: given.keepFree };
    case 'registry': {
      const { kind, proxy, mode, delay, limit } = given;
      return { kind, proxy, mode, delayMs: delay, limitMs: limit };
    }
    case 'load-surge': {
      const { kind, perSecond, for: forMs, maxRequests } = given;
      return { kind, perSecond, forMs, maxRequests };
    }
    case 'chaos-mesh':
    case 'litmus': {
      const { kind, context, kubeconfig, limit } = given;
      return { kind, manifest: given.manifest as ManifestJson, context, kubeconfig, limitMs: limit };
    }
  }
}

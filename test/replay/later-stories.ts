import type { Backend, VersionSelector } from '../../domain/route';
import type { ServiceRig } from '../support/service-rig';
import { policyOf, type ServiceWorld } from '../support/service-world';
import type { Story } from './story';

/** Stories of what services got after the main ones were kept; `keptWords` are what their histories must show. */
export const laterStories: Readonly<Record<string, Story>> = {
  'target-by-figures': {
    options: {
      policy: policyOf({ target: { order: 'closest-profile', maxDistance: 0.25, measureEveryMs: 600_000 } }),
      samples: true,
    },
    prepare: (world) => {
      const at = Date.now();
      const fits = {
        '1.1': { distance: 0.61, field: 'words', mean: 0.4, n: 400, at },
        '1.0': { distance: 0.04, field: 'words', mean: 0.02, n: 400, at },
        '0.9': 'no-profile',
      } as const;
      world.versions = world.versions.map((stored) => {
        const fit = fits[stored.version as keyof typeof fits] as (typeof fits)[keyof typeof fits] | undefined;
        return fit === undefined ? stored : { ...stored, fit };
      });
    },
    tell: async (rig) => {
      await rig.say('degradationBegan', rig.world.degraded('d-1', { tier: 'short-window' }));
      await settledOn(rig, '1.0');
      expect(JSON.stringify(rig.world.ledger)).toContain('0.61');
    },
  },
  'selector-path': {
    prepare: (world) => named(world, (version) => ({ by: 'path', from: '/v2/models/mail', to: pathOf(version) })),
    tell: async (rig) => await byName(rig, (version) => ({ by: 'path', from: '/v2/models/mail', to: pathOf(version) })),
  },
  'selector-model': {
    prepare: (world) => named(world, (version) => ({ by: 'model', public: 'mail', name: `mail-${version}` })),
    tell: async (rig) => await byName(rig, (version) => ({ by: 'model', public: 'mail', name: `mail-${version}` })),
  },
  'several-routers': {
    tell: async (rig) => {
      const { shiftTraffic } = rig.world.fakes();
      const away = { router: 'b', reached: false, epoch: null, why: 'no whole answer within 500 ms' };
      const why = 'partial: the record is in force, but router b has not taken it';
      let frozen = true;
      rig.use({
        shiftTraffic: async (input) => {
          const outcome = await shiftTraffic(input);
          return frozen && outcome.outcome === 'shifted' ? { outcome: 'partial', at: outcome.at, why } : outcome;
        },
        observeRoute: async () => ({ ...rig.world.observed(), differing: frozen ? [away] : [] }),
      });
      await rig.say('degradationBegan', rig.world.degraded('d-1'));
      const { incident } = await rig.until('it waits', ({ operation }) => (operation?.waiting ?? null) !== null);
      await rig.say('routeObserved', { observed: observedBy(rig, [away]), at: await rig.now() });
      await rig.until('it is known to be apart', ({ apart }) => apart?.routers.join() === 'b');
      frozen = false;
      await rig.say('routeObserved', { observed: observedBy(rig, []), at: await rig.now() });
      await rig.until('they are together', ({ apart }) => apart === null);
      await rig.act('intervene', { incident: incident?.id, action: 'retry' });
      await settledOn(rig, '1.1');
    },
  },
  'several-routers-back': {
    tell: async (rig) => {
      const { shiftTraffic, verifyShift } = rig.world.fakes();
      let back = true;
      rig.use({
        verifyShift: async (input) =>
          input.version === '1.3' ? { ok: false, why: '9 of 20 answers failed' } : await verifyShift(input),
        shiftTraffic: async (input) => {
          const outcome = await shiftTraffic(input);
          const partly = back && input.record.primary === '1.2' && outcome.outcome === 'shifted';
          const why = 'partial: epoch with 1.2 is in force, but router b has not taken it';
          return partly ? { outcome: 'partial', at: outcome.at, why } : outcome;
        },
      });
      await rig.act('deploy', { version: '1.3' });
      const { operation } = await rig.until('it waits', (state) => (state.operation?.waiting ?? null) !== null);
      expect(operation?.waiting).toContain('router b');
      back = false;
      const fields = { incident: operation?.id, action: 'abort' };
      expect(await rig.act('intervene', fields)).toMatchObject({ decision: 'accepted' });
      await rig.until('it is over', (state) => state.operation === null && state.declared?.primary === '1.2');
    },
  },
  'stop-first': {
    unready: true,
    options: { policy: oneCopy() },
    tell: async (rig) => {
      await begun(rig);
      await rig.act('deploy', { version: '1.3' });
      await rig.until('1.3 bakes', ({ bake, operation }) => bake?.version === '1.3' && operation === null);
      expect(rig.world.applied.map(({ gap }) => gap !== undefined)).toEqual(expect.arrayContaining([true, false]));
    },
  },
  'stop-first-back': {
    unready: true,
    options: { policy: oneCopy() },
    tell: async (rig) => {
      const { probeInstance } = rig.world.fakes();
      rig.use({
        probeInstance: async (input) =>
          input.version === '1.3' ? { ok: false, why: 'golden probe 3 answers ham' } : await probeInstance(input),
      });
      await begun(rig);
      await rig.act('deploy', { version: '1.3' });
      await rig.until('it waits', ({ operation }) => (operation?.waiting ?? null) !== null);
      await rig.act('cancel', {});
      const { declared } = await rig.until('it is over', ({ operation }) => operation === null);
      expect(declared).toMatchObject({ primary: '1.2' });
      expect(declared?.gap).toBeUndefined();
    },
  },
  'several-hosts': {
    unready: true,
    options: {
      policy: policyOf({
        replicas: { hosts: ['here', 'there'], minReplicas: 1 },
        standby: { ...policyOf().standby, keepWarm: false },
      }),
    },
    tell: async (rig) => {
      await begun(rig);
      await rig.until('the second host takes part', ({ declared }) => copies(declared, '1.2').length === 2);
      await rig.act('deploy', { version: '1.3' });
      const { declared } = await rig.until(
        '1.3 serves on both',
        (state) => state.operation === null && copies(state.declared, '1.3').length === 2,
      );
      const instances = copies(declared, '1.3').map(({ instance }) => instance);
      const down = instances.filter((instance) => instance.endsWith('@there'));
      const at = await rig.now();
      const why = 'one of two answers';
      await rig.say('liveReported', { version: '1.3', instances, condition: 'answers', at, why, down });
      await rig.until('it is left out', ({ declared: now }) => copies(now, '1.3').length === 1);
      await rig.until('its host joins again', ({ declared: now }) => copies(now, '1.3').length === 2);
    },
  },
  'external-parts': {
    tell: async (rig) => {
      const { validateArtifact, probeInstance } = rig.world.fakes();
      const note = 'not said: features (declared v3): no answer within 2 s';
      rig.use({
        validateArtifact: async (input) =>
          input.version === '1.1'
            ? { ok: false, why: 'features says v4, declared is v3' }
            : { ...(await validateArtifact(input)), note },
        probeInstance: async (input) => {
          const probed = await probeInstance(input);
          return probed.ok ? { ...probed, note } : probed;
        },
      });
      await rig.say('degradationBegan', rig.world.degraded('d-1', { tier: 'short-window' }));
      await settledOn(rig, '1.0');
      expect(rig.world.summaries()).toContain('features says v4');
    },
  },
  'deployed-by-others': {
    unready: true,
    options: { policy: policyOf({ changes: 'external' }) },
    tell: async (rig) => {
      await begun(rig);
      const seen = { configured: null, address: 'http://127.0.0.1:7', model: 'mail', means: 'reported-digest' };
      for (const [key, version] of [
        ['sha256:1.2', '1.2'],
        ['sha256:foreign', '2.0'],
      ])
        await rig.say('routeObserved', {
          observed: { ...rig.world.observed(), serving: { ...seen, key, version } },
          at: await rig.now(),
        });
      await rig.until('it bakes', ({ bake, declared }) => bake?.version === '2.0' && declared?.primary === '2.0');
      await rig.seen('the router has it', () => rig.world.router.record?.primary === '2.0');
    },
  },
};

function oneCopy(): ReturnType<typeof policyOf> {
  const { standby } = policyOf();
  const swap = { how: 'stop-first', gapMaxMs: 60_000 } as const;
  return policyOf({ swap, standby: { ...standby, keepWarm: false, asFallback: false } });
}

async function begun(rig: ServiceRig): Promise<void> {
  await rig.until('it has begun', ({ declared }) => declared !== null);
}

async function settledOn(rig: ServiceRig, version: string): Promise<void> {
  await rig.until(
    `${version} serves`,
    ({ cooldownUntil, operation, declared }) =>
      cooldownUntil !== null && operation === null && declared?.primary === version,
  );
}

function copies(route: { readonly backends: Readonly<Record<string, readonly Backend[]>> } | null, version: string) {
  return route?.backends[version] ?? [];
}

function observedBy(rig: ServiceRig, differing: readonly unknown[]): unknown {
  return { ...rig.world.observed(), differing };
}

function pathOf(version: string): string {
  return `/v2/models/mail/versions/${version.replace('.', '')}`;
}

/** The version that serves is one of several at its address. */
function named(world: ServiceWorld, selectorOf: (version: string) => VersionSelector): void {
  const { record } = world.router;
  if (record === null) throw new Error('nothing serves');
  const { primary } = record;
  const selector = selectorOf(primary);
  const backends = { [primary]: copies(record, primary).map((backend) => ({ ...backend, selector })) };
  world.router.record = { ...record, backends };
}

/** Every copy that is loaded shares one address; a rollback and a deploy go from one to the other by name. */
async function byName(rig: ServiceRig, selectorOf: (version: string) => VersionSelector): Promise<void> {
  const { loadTarget } = rig.world.fakes();
  rig.use({
    loadTarget: async (input) => {
      const loaded = await loadTarget(input);
      const selector = selectorOf(input.version);
      return loaded.ok ? { ...loaded, backend: { ...loaded.backend, selector } } : loaded;
    },
  });
  await rig.act('deploy', { version: '1.3' });
  await rig.until('1.3 bakes', ({ bake, operation }) => bake?.version === '1.3' && operation === null);
  expect(rig.world.router.record?.backends['1.3']).toMatchObject([{ selector: selectorOf('1.3') }]);
  await rig.act('rollback', { to: '1.2' });
  await rig.until('1.2 serves', ({ operation, declared }) => operation === null && declared?.primary === '1.2');
  expect(rig.world.router.record?.backends['1.2']?.[0]?.selector).toEqual(selectorOf('1.2'));
}

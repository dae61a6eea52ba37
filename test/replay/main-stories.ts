import { policyOf } from '../support/service-world';
import type { ServiceRig } from '../support/service-rig';
import type { Story } from './story';

/** The main stories of a service with one copy, one router and memory for two copies. */
export const mainStories: Readonly<Record<string, Story>> = {
  deploy: {
    tell: async (rig) => {
      await rig.act('deploy', { version: '1.3' });
      await rig.until('1.3 bakes', ({ bake, operation }) => bake !== null && operation === null);
    },
  },
  'rollback-emergency': { tell: (rig) => rolledBack(rig, 'd-1') },
  'rollback-standard': {
    tell: async (rig) => {
      const { probeInstance } = rig.world.fakes();
      rig.use({
        probeInstance: async (input) =>
          input.version === '1.1' ? { ok: false, why: 'three of eight probes are wrong' } : await probeInstance(input),
      });
      await rig.say('degradationBegan', rig.world.degraded('d-1', { tier: 'short-window' }));
      await rig.until(
        '1.0 serves',
        ({ cooldownUntil, declared }) => cooldownUntil !== null && declared?.primary === '1.0',
      );
    },
  },
  breaker: {
    options: { policy: policyOf({ cooldownMs: 200 }) },
    tell: async (rig) => {
      await rig.act('vouch', { version: '0.9' });
      await rolledBack(rig, 'd-1');
      await rig.until('the cooldown is over', ({ cooldownUntil }) => cooldownUntil === null);
      await rig.say('degradationBegan', rig.world.degraded('d-2'));
      await rig.until(
        'held',
        ({ breaker, operation, declared }) => breaker.open && !operation && declared?.primary === '0.9',
      );
      await rig.act('clearBreaker', { breakerEpoch: 1 });
    },
  },
  'rollback-manual': {
    tell: async (rig) => {
      await rig.act('rollback', { to: '1.0' });
      await rig.until('1.0 serves', ({ operation, declared }) => operation === null && declared?.primary === '1.0');
    },
  },
  'waiting-for-human': {
    tell: async (rig) => {
      let damaged = true;
      rig.use({ validateArtifact: async () => (damaged ? { ok: false, why: 'a file has changed' } : { ok: true }) });
      await rig.say('degradationBegan', rig.world.degraded('d-1', { tier: 'short-window' }));
      const { incident } = await rig.until('it waits', ({ operation }) => (operation?.waiting ?? null) !== null);
      damaged = false;
      const fields = { incident: incident?.id, action: 'choose', target: '1.0' };
      expect(await rig.act('intervene', fields)).toMatchObject({ decision: 'accepted' });
      await rig.until('1.0 serves', ({ operation, declared }) => operation === null && declared?.primary === '1.0');
    },
  },
  gradual: {
    options: { policy: policyOf({ gradual: { stages: [0.05, 0.5], stageMs: 200 } }), samples: true },
    tell: async (rig) => {
      await rig.say('degradationBegan', rig.world.degraded('d-1', { tier: 'trend' }));
      await rig.until('settled', ({ cooldownUntil, operation }) => cooldownUntil !== null && operation === null);
      expect(rig.world.applied.map(({ share }) => share?.weight)).toEqual(expect.arrayContaining([0.05, 0.5]));
    },
  },
  recovery: {
    tell: async (rig) => {
      const { versions, breaker } = await rig.state();
      await rig.handle.terminate('lost');
      const route = rig.world.route('1.2', 57);
      rig.world.router.record = route;
      const open = { ...breaker, open: true, epoch: 3, openedAt: 1, incident: '20261101-1' };
      rig.use({
        recoverState: async () => ({
          seq: rig.world.ledger.length,
          at: 1,
          route,
          highestEpoch: 57,
          versions,
          cooldownUntil: null,
          breaker: open,
          consecutive: 2,
          openIncident: null,
          incidentCounter: 1,
          mode: 'act',
        }),
      });
      await rig.begin();
      const state = await rig.until('it is back', ({ declared }) => declared !== null);
      expect(state.breaker).toMatchObject({ open: true, epoch: 3 });
      expect(state.nextEpoch).toBeGreaterThan(57);
      expect(state.pausedWhy).toBeNull();
      await rig.say('degradationBegan', rig.world.degraded('d-1', { epoch: state.declared?.epoch ?? 0 }));
      await rig.until('held', ({ degradations }) => degradations[0]?.decided === 'held');
      expect(rig.world.router.record.primary).toBe('1.2');
      expect((await rig.act('clearBreaker', { breakerEpoch: 2 })).decision).toBe('refused');
      expect((await rig.act('clearBreaker', { breakerEpoch: 3 })).decision).toBe('accepted');
    },
  },
};

async function rolledBack(rig: ServiceRig, id: string): Promise<void> {
  await rig.say('degradationBegan', rig.world.degraded(id));
  await rig.until('settled', ({ cooldownUntil, operation }) => cooldownUntil !== null && operation === null);
}

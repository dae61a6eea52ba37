import { MockActivityEnvironment } from '@temporalio/testing';
import type { Client } from '@temporalio/client';
import { signOfLifeEveryMs } from '../../activities/heartbeat';
import type { Configuration, ServiceConfiguration } from '../../workers/configuration/configuration';
import { ensureWorkflows } from '../../workers/service-workflows';
import { NEWEST_RULES, type ServiceInput } from '../../workflows/contract/inputs';
import { policySchema } from '../../workflows/contract/policy';
import { servicePolicy } from '../support/service-policy';

/** The policy that a controller of so many services starts the workflow of one with. */
async function policyAmong(services: number): Promise<ServiceInput['policy']> {
  const service = {
    name: 'mail',
    model: 'mail',
    policy: servicePolicy(),
    serving: { runtime: 'external' },
    samples: { share: 0, maxCount: 0 },
  } as unknown as ServiceConfiguration;
  const started: ServiceInput[] = [];
  const start = (type: string, { args }: { args: [ServiceInput] }): Promise<void> => {
    if (type === 'serviceWorkflow') started.push(args[0]);
    return Promise.resolve();
  };
  const client = { workflow: { start } } as unknown as Client;
  const configuration = { services: Array.from({ length: services }, () => service), controlHost: 'here' };
  await ensureWorkflows(service, {
    ...{ client, registered: [], actKeys: [], rules: NEWEST_RULES },
    configuration: configuration as unknown as Configuration,
  });
  return (started[0] as ServiceInput).policy;
}

describe('the signs of life of the watches', () => {
  it('are those of the presets where a controller has few services, and rarer where it has many', async () => {
    const [few, many] = [await policyAmong(60), await policyAmong(61)];
    expect(few.detection.signOfLifeMs).toBeUndefined();
    expect(many.detection.signOfLifeMs).toBe(7_000);
    // The workflow reads it as a policy that it can live with.
    expect(policySchema.safeParse(many).success).toBe(true);
  });

  it('come so often that one of them may be lost', async () => {
    const every = async (heartbeatTimeoutMs?: number): Promise<number> => {
      const info = heartbeatTimeoutMs === undefined ? {} : { heartbeatTimeoutMs };
      return await new MockActivityEnvironment(info).run(() => Promise.resolve(signOfLifeEveryMs(500)));
    };
    expect(await every(7_000)).toBe(2_800);
    expect(await every(2_000)).toBe(800);
  });
});

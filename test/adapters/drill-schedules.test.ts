import { ApplicationFailure } from '@temporalio/activity';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { DrillSchedules } from '../../api/ports';
import type { Alert } from '../../domain/alert';
import type { LedgerEntry } from '../../domain/ledger';
import { temporalDrillSchedules } from '../../workers/drill-schedules';
import { CONTROL_QUEUE, drillScheduleId } from '../../workflows/contract/ids';
import type { DrillRequest } from '../../workflows/contract/drill';
import type { Answer } from '../../workflows/contract/messages';
import { until } from '../support/poll';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';

jest.setTimeout(60_000);

const WEEK_MS = 7 * 86_400_000;
const request: DrillRequest = {
  way: 'mirror',
  degrade: { wrongShare: 0.3 },
  share: 0.2,
  forMs: 60_000,
  reason: 'weekly',
};
const accepted: Answer = {
  ...{ requestId: 'r', decision: 'accepted', why: 'drill d-1 begins', reference: 'd-1', repeated: false, plan: [] },
};

describe('schedules of drills in a real Temporal', () => {
  let server: TestDevServer;
  let schedules: DrillSchedules;
  let worker: Worker;
  let running: Promise<void>;
  const asked: { service: string; requestId: string }[] = [];
  const alerts: Alert[] = [];
  const ledger: LedgerEntry[] = [];

  beforeAll(async () => {
    const logger = new DefaultLogger('ERROR');
    Runtime.install({ logger, telemetryOptions: { logging: { filter: 'ERROR', forward: {} } } });
    const workflowsPath = require.resolve('../../workflows/scheduled-drill');
    const [started, workflowBundle] = await Promise.all([
      startDevServer(),
      bundleWorkflowCode({ workflowsPath, logger }),
    ]);
    server = started;
    schedules = temporalDrillSchedules(server.env.client);
    worker = await Worker.create({
      connection: server.env.nativeConnection,
      namespace: server.namespace,
      taskQueue: CONTROL_QUEUE,
      workflowBundle,
      activities: {
        requestDrill: async (input: { service: string; requestId: string }): Promise<Answer> => {
          if (input.service === 'lost')
            throw ApplicationFailure.create({ type: 'NotFound', message: 'no service workflow', nonRetryable: true });
          asked.push(input);
          return await Promise.resolve(accepted);
        },
        sendAlert: async (alert: Alert) => Promise.resolve(void alerts.push(alert)),
        recordDecisions: async (entries: LedgerEntry[]) => Promise.resolve(void ledger.push(...entries)),
      },
    });
    running = worker.run();
  }, 90_000);
  afterAll(async () => {
    worker.shutdown();
    await running;
    await server.stop();
  });

  it('are set, read back, paused with a note, changed, and removed', async () => {
    expect(await schedules.read('mail')).toBeNull();
    await schedules.put('mail', { everyMs: WEEK_MS, request, note: 'weekly' });
    const set = await schedules.read('mail');
    expect(set).toMatchObject({
      everyMs: WEEK_MS,
      cron: null,
      paused: false,
      note: 'weekly',
      skipped: 0,
      last: null,
      request,
    });
    expect(set?.next[0]).toBeGreaterThan(Date.now());
    await schedules.setPaused('mail', true, 'the sale');
    expect(await schedules.read('mail')).toMatchObject({ paused: true, note: 'the sale' });
    // Who changes the times does not let it go on.
    await schedules.put('mail', { cron: '0 3 * * 1', request: { ...request, share: 0.5 }, note: 'on Mondays' });
    const changed = await schedules.read('mail');
    expect(changed).toMatchObject({ everyMs: null, cron: '0 3 * * 1', paused: true, request: { share: 0.5 } });
    const monday = new Date(changed?.next[0] ?? 0);
    expect([monday.getUTCDay(), monday.getUTCHours()]).toEqual([1, 3]);
    await schedules.setPaused('mail', false, 'it is over');
    expect(await schedules.read('mail')).toMatchObject({ paused: false, note: 'it is over' });
    await schedules.remove('mail');
    expect(await schedules.read('mail')).toBeNull();
    await expect(schedules.setPaused('mail', true, 'r')).rejects.toThrow();
  });

  it('ask the service, stay while the drill may last, and begin none beside it', async () => {
    await schedules.put('busy', { everyMs: 1_000, request, note: 'often' });
    await until('a skipped one', async () => ((await schedules.read('busy'))?.skipped ?? 0) > 0, 20_000);
    expect(asked.filter(({ service }) => service === 'busy')).toHaveLength(1);
    expect((await schedules.read('busy'))?.last).toBeGreaterThan(0);
    await schedules.remove('busy');
  });

  it('that cannot ask the service tell people, and leave an entry that drills are listed by', async () => {
    await schedules.put('lost', { everyMs: WEEK_MS, request, note: 'weekly' });
    await server.env.client.schedule.getHandle(drillScheduleId('lost')).trigger();
    await until('both are told', () => alerts.length > 0 && ledger.length > 0, 20_000);
    expect(alerts).toMatchObject(
      [{ severity: 'ticket', title: 'lost: a scheduled drill did not take place', wrong: /no service workflow/ }].map(
        (one) => ({ ...one, wrong: expect.stringMatching(one.wrong) as string }),
      ),
    );
    expect(ledger).toMatchObject([
      {
        kind: 'drill-ended',
        service: 'lost',
        facts: { outcome: 'unasked', way: 'mirror', drill: expect.stringMatching(/^unasked-/) },
      },
    ]);
  });
});

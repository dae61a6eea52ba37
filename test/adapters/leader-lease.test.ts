import { LeaderLease } from '../../adapters/ledger/leader-lease';
import { until } from '../support/poll';
import { describePostgres, PostgresServer } from '../support/postgres-server';

interface Running {
  readonly lease: LeaderLease;
  readonly changes: string[];
  end(): Promise<void>;
}

describePostgres('the lease of the controller that leads')('the lease of the controller that leads', () => {
  let server: PostgresServer;
  const running: Running[] = [];
  beforeAll(async () => {
    server = await PostgresServer.start();
  }, 60_000);
  afterEach(async () => {
    for (const one of running.splice(0)) await one.end();
  });
  afterAll(async () => await server.stop());

  function start(name: string, rules = 3): Running {
    const changes: string[] = [];
    const lease = new LeaderLease({
      ...{ host: '127.0.0.1', port: server.port, database: 'postgres', user: 'postgres', schema: 'public', tls: null },
      ...{
        anchorFile: '',
        name,
        rules,
        onChange: (leads: boolean, why: string) => void changes.push(`${leads} ${why}`),
      },
    });
    const ending = new AbortController();
    const ran = lease.run(ending.signal);
    const one = {
      lease,
      changes,
      end: async () => {
        ending.abort();
        await ran;
      },
    };
    running.push(one);
    return one;
  }

  const leaders = (): number => running.filter(({ lease }) => lease.leads()).length;

  test('one leads; when it ends the other does within two looks, and never both', async () => {
    const first = start('first');
    await until('the first to lead', () => first.lease.leads(), 5_000);
    const second = start('two');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect([first.lease.leads(), second.lease.leads()]).toEqual([true, false]);
    await first.end();
    expect(first.lease.leads()).toBe(false);
    const began = performance.now();
    await until('the second to lead', () => second.lease.leads(), 5_000);
    expect(performance.now() - began).toBeLessThan(2_500);
    expect(first.changes).toEqual(['true has the lease', 'false this controller ends']);
  });

  test('decides by what the oldest controller that is there knows, until that one has gone', async () => {
    const newer = start('first', 4);
    const older = start('two', 3);
    await until('both to see each other', () => newer.lease.commonRules() === 3, 5_000);
    expect(older.lease.commonRules()).toBe(3);
    await older.end();
    await until('the older to have gone', () => newer.lease.commonRules() === 4, 5_000);
  });

  test('without its database nobody leads; when it is back exactly one does', async () => {
    start('first');
    start('two');
    await until('one to lead', () => leaders() === 1, 5_000);
    await server.crash();
    await until('nobody to lead', () => leaders() === 0, 5_000);
    await server.run();
    await until('one to lead again', () => leaders() === 1, 10_000);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(leaders()).toBe(1);
  });
});

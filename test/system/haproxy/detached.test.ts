import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { detachedSnippet } from '../../../adapters/traffic/haproxy/detached-text';
import { plainRecord } from '../../../domain/service/detach';
import { answers, endUsers, expectNothingLost, users } from '../../support/counted-users';
import { startFakeModel, type FakeModel } from '../../support/fake-model';
import { route } from '../../support/gateway-process';
import { describeHaproxy, HaproxyProcess } from '../../support/haproxy-process';

afterEach(endUsers);

describeHaproxy('a service that leaves lastgood behind HAProxy')('HAProxy without lastgood', () => {
  let haproxy: HaproxyProcess;
  let models: FakeModel[] = [];

  afterEach(async () => {
    await haproxy.stop();
    for (const model of models) await model.close();
    models = [];
  });

  it.each([true, false])(
    'goes over to the snippet by one reload under traffic, and needs no file of ours then (repeatable: %s)',
    async (repeatable) => {
      models = [await startFakeModel({ label: 'ham' }), await startFakeModel({ label: 'spam' })];
      haproxy = await HaproxyProcess.start({ repeatable });
      const router = haproxy.router();
      const backend = (model: FakeModel, version: string) => [
        { address: model.address, instance: `mail@${version}#1`, digest: `sha256:${version}` },
      ];
      const record = route(
        3,
        '1.1',
        { '1.0': backend(models[0] as FakeModel, '1.0'), '1.1': backend(models[1] as FakeModel, '1.1') },
        { fallback: '1.0' },
      );
      expect(await router.apply(record)).toMatchObject({ applied: true });
      const load = users(haproxy.address);
      await answers(load);
      const plain = plainRecord(record, '1.1', 4, Date.now());
      expect(await router.apply(plain)).toMatchObject({ applied: true });
      await router.close();
      const snippet = detachedSnippet(haproxy.directory, haproxy.service, plain);
      expect(snippet).not.toMatch(/\.map|state-file|lg_/);
      writeFileSync(join(haproxy.directory, 'haproxy.cfg'), `global\n    hard-stop-after 5s\n\n${snippet}`);
      await haproxy.reload();
      // Maps, routes and states of lastgood may go: nothing reads them any more.
      for (const file of readdirSync(haproxy.directory))
        if (/\.(map|json|state)$/.test(file)) rmSync(join(haproxy.directory, file));
      await answers(load);
      await haproxy.reload();
      expect(existsSync(join(haproxy.directory, 'mail.map'))).toBe(false);
      await expectNothingLost(load);
      const answer = await fetch(`${haproxy.address}/v2/models/mail/infer`, { method: 'POST', body: '{"inputs":[]}' });
      expect(await answer.text()).toContain('spam');
      expect(readFileSync(join(haproxy.directory, 'haproxy.cfg'), 'utf8')).toContain('weight 100');
    },
    90_000,
  );
});

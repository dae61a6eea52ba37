import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkCertificate, judgeCertificate } from '../../../cli/checks/certificate';
import type { ServiceConfiguration } from '../../../workers/configuration/configuration';
import { Authority } from '../../support/certificates';

const day = 86_400_000;

test('a certificate that ends soon is a warning, one that has ended is wrong, and both say what to do', () => {
  const at = Date.parse('2026-11-26T00:00:00Z');
  const judged = [60, 13, -1].map((days) => judgeCertificate('x', at + days * day, at));
  expect(judged.map(({ level }) => level)).toEqual(['ok', 'warning', 'wrong']);
  expect(judged[1]?.said).toBe('ends on 2026-12-09, in 13 days');
  expect(judged[2]?.remedy).toContain('takes them by itself');
});

test('the files of an entrance are read as the gateway reads them', async () => {
  const authority = new Authority('a');
  const [one, other] = [authority.issue('one', 'IP:127.0.0.1'), authority.issue('other', 'IP:127.0.0.1')];
  const service = (listenTls: { certFile: string; keyFile: string } | null): ServiceConfiguration =>
    ({
      name: 'mail',
      listenTls: listenTls && { ...listenTls, clientCaFile: null, anyClient: true },
    }) as ServiceConfiguration;
  const now = Date.now();
  expect(await checkCertificate(service(null), now)).toEqual([]);
  expect(await checkCertificate(service(one), now)).toMatchObject([{ level: 'warning', said: expect.stringMatching(/in [12] days/) }]); // prettier-ignore
  const crossed = await checkCertificate(service({ ...one, keyFile: other.keyFile }), now);
  expect(crossed).toMatchObject([{ level: 'wrong', said: expect.stringContaining('cannot be used together') }]);
  const text = join(authority.directory, 'text.pem');
  writeFileSync(text, 'no certificate');
  expect((await checkCertificate(service({ ...one, certFile: text }), now))[0]?.said).toContain(
    'is no certificate in PEM',
  );
  expect((await checkCertificate(service({ ...one, certFile: '/nowhere/c.pem' }), now))[0]?.said).toContain('ENOENT');
});

import { viewService } from '../../api/service-view';
import { conditionOf } from '../../cli/service-condition';
import { renderStatus } from '../../cli/render/status';
import { plainRecord } from '../../domain/service/detach';
import { apiPorts } from '../support/api-ports';
import { MemoryLedger } from '../support/memory-ledger';

const now = Date.parse('2026-11-23T10:00:00Z');
const backends = { '1.1': [{ address: 'http://127.0.0.1:1', instance: 'mail@1.1#a', digest: 'sha256:1' }] };
const declared = { service: 'mail', epoch: 4, primary: '1.1', pins: [], backends };
async function ledgerWith(...kinds: readonly ('detached' | 'attached')[]): Promise<MemoryLedger> {
  const ledger = new MemoryLedger();
  for (const [at, kind] of kinds.entries())
    await ledger.append({
      ...{ service: 'mail', key: `k/${at}`, at: now + at, kind, incident: null },
      actor: { name: 'ada', proof: 'unix-user', from: 'here' },
      summary: `${kind} by ada`,
      facts: { stage: 'ended' },
    });
  return ledger;
}

/** The workflow has ended; the router goes on by the last record. */
function view(ledger: MemoryLedger): ReturnType<typeof viewService> {
  const record = plainRecord(declared, '1.1', 5, now);
  return viewService(
    apiPorts({
      ledger,
      decisions: { status: () => Promise.reject(new Error('the workflow of mail has ended')) },
      router: {
        read: () => Promise.resolve({ record, floor: 0, fallback: null, pinned: {} } as never),
        entrance: () => Promise.resolve({ address: 'http://127.0.0.1:2', clients: null } as never),
      },
    }),
    'mail',
    'mail',
  );
}

test('it is no fault and nobody is called: status says that it was left, and how it is taken on again', async () => {
  const seen = await view(await ledgerWith('detached'));
  const condition = conditionOf(seen, now);
  expect(condition).toEqual({ code: 4, word: 'not ready', reasons: ['lastgood is detached from it'] });
  const lines = renderStatus({ collectedAt: now, services: [{ view: seen, condition }], remarks: [] });
  expect(lines[0]).toBe('mail: detached: it serves without lastgood, nobody rolls back');
  expect(lines.at(-1)).toContain("lastgood attach mail --reason '…'");
});

test('what is not known says first that it was left, and says it no more when somebody has taken it on again', async () => {
  const left = await view(await ledgerWith('detached'));
  expect(left).toMatchObject({ status: null, source: 'gateway' });
  expect(left.notKnown[0]).toBe('lastgood is detached from it and decides nothing: detached by ada');
  const taken = await view(await ledgerWith('detached', 'attached'));
  expect(taken.notKnown[0]).toMatch(/the workflow of mail has ended/);
});

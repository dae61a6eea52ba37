import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteLedger, type SqliteLedger } from '../../adapters/ledger/sqlite-ledger';
import { describeDurableLedger, describeLedger, type DurableLedgerUnderTest } from '../support/ledger-contract';
import { MemoryLedger } from '../support/memory-ledger';

function sqlite(): DurableLedgerUnderTest {
  const directory = mkdtempSync(join(tmpdir(), 'lastgood-ledger-'));
  let ledger: SqliteLedger | null = null;
  const open = async () => (ledger = await openSqliteLedger({ file: join(directory, 'data', 'ledger.db') }));
  return {
    open,
    async reopen() {
      await ledger?.close();
      return open();
    },
    async dispose() {
      await ledger?.close();
      rmSync(directory, { recursive: true });
    },
  };
}

describeLedger('in memory', () => ({ open: async () => new MemoryLedger(), dispose: async () => {} }));
describeLedger('SQLite', sqlite);
describeDurableLedger('SQLite', sqlite);

describe('the in-memory ledger of the tests', () => {
  const entry = { service: 's', key: 's/1', at: 1, kind: 'settled', incident: null, summary: '', facts: {} } as const;
  const decided = { ...entry, actor: { name: 'lastgood', proof: 'lastgood', from: '' } as const };

  test('it can refuse, it can hang until the outage ends, and it can lose an answer whose effect stays', async () => {
    const ledger = new MemoryLedger();
    ledger.setOutage('refuse');
    await expect(ledger.append(decided)).rejects.toThrow('does not answer');
    expect(ledger.entries('s')).toHaveLength(0);

    ledger.setOutage('hang');
    const waiting = ledger.append(decided);
    ledger.setOutage('none');
    expect((await waiting).repeated).toBe(false);

    ledger.setOutage('lose-answer');
    await expect(ledger.append({ ...decided, key: 's/2' })).rejects.toThrow('was lost');
    ledger.setOutage('none');
    expect((await ledger.append({ ...decided, key: 's/2' })).repeated).toBe(true);
  });
});

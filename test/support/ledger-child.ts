import { openSqliteLedger } from '../../adapters/ledger/sqlite-ledger';
import { ledgerEntry } from './ledger-contract';

/** Appends without end and prints the sequence of each entry once it is acknowledged, until it is killed. */
async function main(file: string): Promise<void> {
  const ledger = await openSqliteLedger({ file });
  let counter = (await ledger.head('mail-triage'))?.seq ?? 0;
  for (;;) {
    // Several at once, as the loops of several workflows append: the kill then also meets queued ones.
    const batch = [1, 2, 3].map((step) => ledger.append(ledgerEntry(counter + step)));
    for (const { seq, hash } of await Promise.all(batch)) process.stdout.write(`${seq} ${hash}\n`);
    counter += 3;
  }
}

main(process.argv[2] ?? '').catch((error: Error) => {
  process.stderr.write(`${error.name}: ${error.message}\n`);
  process.exit(1);
});

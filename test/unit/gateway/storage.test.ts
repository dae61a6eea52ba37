import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { Storage } from '../../../gateway/storage';
import { gatewaySchemaVersion, migrateStorage } from '../../../gateway/storage-schema';
import { removeTemporary, temporaryDirectory } from '../../support/temporary';

afterAll(removeTemporary);

test('a database of before the versions were counted keeps its route, and says which release brought it forward', () => {
  const directory = temporaryDirectory('storage');
  const file = join(directory, 'gateway.db');
  const old = new Database(file);
  old.exec(
    'CREATE TABLE services (service TEXT PRIMARY KEY, last_seq INTEGER NOT NULL, record TEXT, floor INTEGER NOT NULL, ' +
      "in_force_since REAL, fallback TEXT); INSERT INTO services VALUES ('mail', 7, NULL, 41, NULL, NULL)",
  );
  old.close();
  const storage = new Storage(directory, '0.1.0');
  expect(storage.prepare('SELECT floor, last_seq FROM services').all()).toEqual([{ floor: 41, last_seq: 7 }]);
  expect(storage.prepare('SELECT release FROM written_by').all()).toEqual([{ release: '0.1.0' }]);
  expect(storage.prepare('PRAGMA user_version').get()).toMatchObject({ user_version: gatewaySchemaVersion });
  storage.close();
});

test('a database of a newer lastgood is refused in one sentence that names the release, and no byte of it is changed', () => {
  const directory = temporaryDirectory('storage');
  const file = join(directory, 'gateway.db');
  const newer = new Database(file);
  migrateStorage(newer, '0.1.0');
  newer.exec("UPDATE written_by SET release = '9.1.0'; PRAGMA user_version = 99");
  newer.close();
  const before = readFileSync(file);
  expect(() => new Storage(directory, '0.1.0')).toThrow(
    `${file}: found schema version 99, written by lastgood 9.1.0; this is lastgood 0.1.0, which knows up to ${gatewaySchemaVersion}: ` +
      'use lastgood 9.1.0 or newer, or restore a backup that this release made. Nothing was changed',
  );
  expect(readFileSync(file).equals(before)).toBe(true);
});

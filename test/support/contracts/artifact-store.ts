import type { ArtifactStore } from '../../../activities/ports';
import { clauses, type Deviations } from './clauses';

export interface ArtifactStoreSubject {
  readonly store: ArtifactStore;
  /** Puts a whole, intact version with one golden probe (`p1`, label spam) into the store. */
  add(service: string, version: string): Promise<void>;
  /** Damages one stored file. */
  damage(service: string, version: string): Promise<void>;
  notes(service: string, version: string): Promise<unknown[]>;
}

/** Clauses that a store may keep otherwise than the others, and then must say how. */
type ArtifactStoreClause = 'description' | 'materialise' | 'damage' | 'note' | 'missing';

/** What every artifact store does. `instead` replaces a clause that it refuses by design. */
export function artifactStoreContract<Subject extends ArtifactStoreSubject>(
  name: string,
  make: () => Promise<Subject>,
  instead: Deviations<ArtifactStoreClause, Subject> = {},
): void {
  describe(`${name} as an artifact store`, () => {
    let subject: Subject;
    const clause = clauses(instead, () => subject);
    beforeEach(async () => {
      subject = await make();
    });

    it('lists the versions of one service, oldest import first', async () => {
      await subject.add('mail', '1.10');
      await subject.add('mail', '1.2');
      await subject.add('other', '9');
      expect((await subject.store.list('mail')).map((info) => info.version)).toEqual(['1.10', '1.2']);
      expect(await subject.store.list('nothing')).toEqual([]);
    });

    clause(
      'description',
      'describes a version by digest, evaluation and probes, and answers null for one it does not have',
      async () => {
        await subject.add('mail', '1.0');
        const info = await subject.store.get('mail', '1.0');
        expect(info).toMatchObject({ version: '1.0', engine: 'open-inference', model: 'mail', probes: 1 });
        expect(info?.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
        expect(info?.evaluation?.byClass['spam']?.recall).toBe(0.85);
        expect(await subject.store.get('mail', '9.9')).toBeNull();
      },
    );

    clause('materialise', 'materialises the same directory for the same digest every time', async () => {
      await subject.add('mail', '1.0');
      const first = await subject.store.materialise('mail', '1.0');
      expect(await subject.store.materialise('mail', '1.0')).toEqual(first);
      expect(first.digest).toBe((await subject.store.get('mail', '1.0'))?.digest);
    });

    clause(
      'damage',
      'finds nothing wrong with an intact version and refuses to materialise a damaged one',
      async () => {
        await subject.add('mail', '1.0');
        expect(await subject.store.verify('mail', '1.0')).toEqual([]);
        await subject.damage('mail', '1.0');
        expect(await subject.store.verify('mail', '1.0')).toHaveLength(1);
        await expect(subject.store.materialise('mail', '1.0')).rejects.toThrow(/corrupt/);
      },
    );

    it('gives the golden probes of a version as they stand in its artifact', async () => {
      await subject.add('mail', '1.0');
      const expected = { id: 'p1', request: { text: 'win money' }, expect: { output: 'label', value: 'spam' } };
      expect(await subject.store.probes('mail', '1.0')).toEqual([expected]);
    });

    clause('note', 'keeps a note once, however often it is given', async () => {
      await subject.add('mail', '1.0');
      const note = { at: 5, text: 'rolled back from' };
      await subject.store.annotate('mail', '1.0', note);
      await subject.store.annotate('mail', '1.0', note);
      expect(await subject.notes('mail', '1.0')).toHaveLength(1);
    });

    clause('missing', 'rejects what is asked of a version that it does not have', async () => {
      await expect(subject.store.verify('mail', '9.9')).rejects.toThrow(/mail@9\.9/);
      await expect(subject.store.materialise('mail', '9.9')).rejects.toThrow(/mail@9\.9/);
      await expect(subject.store.probes('mail', '9.9')).rejects.toThrow(/mail@9\.9/);
      await expect(subject.store.annotate('mail', '9.9', { at: 1, text: 'x' })).rejects.toThrow(/mail@9\.9/);
    });
  });
}

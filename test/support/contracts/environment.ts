import type { Environment } from '../../../activities/ports';

export interface EnvironmentSubject {
  readonly environment: Environment;
  /** Something that the service `mail` depends on begins to fail, or can no longer be asked. */
  change(): Promise<string>;
  blind(): Promise<string>;
  close(): Promise<void>;
}

/** What every environment does. */
export function environmentContract(name: string, make: () => Promise<EnvironmentSubject>): void {
  describe(`${name} as an environment`, () => {
    let subject: EnvironmentSubject;
    const onset = Date.now();
    beforeEach(async () => {
      subject = await make();
    });
    afterEach(() => subject.close());

    it('names nothing while nothing has changed', async () => {
      expect((await subject.environment.assess('mail', onset)).changed).toEqual([]);
    });

    it('names what changed, with a fact about it, and again when it is asked again', async () => {
      const changed = await subject.change();
      const first = await subject.environment.assess('mail', onset);
      expect(first.changed).toEqual([changed]);
      expect(first.unmeasured).not.toContain(changed);
      expect(first.facts[changed]).toMatchObject({ state: 'changed' });
      expect((await subject.environment.assess('mail', onset)).changed).toEqual([changed]);
    });

    it('answers from what it knows while users wait, with the same names', async () => {
      const changed = await subject.change();
      expect((await subject.environment.assess('mail', onset, { known: true })).changed).toEqual([changed]);
    });

    it('names what could not be asked as unmeasured, never as changed', async () => {
      const blind = await subject.blind();
      const found = await subject.environment.assess('mail', onset);
      expect(found.unmeasured).toContain(blind);
      expect(found.changed).not.toContain(blind);
    });
  });
}

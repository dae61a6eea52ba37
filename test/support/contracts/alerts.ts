import type { Alert, Alerts } from '../../../activities/ports';
import { anAlert } from '../alerts';

export interface AlertsSubject {
  readonly alerts: Alerts;
  /** Name of the one sink, as results show it. */
  readonly sink: string;
  /** What a reader has before them, oldest first: the text of each alert. */
  shown(): string[];
  /** From now on nothing can be shown; `mend` ends it. */
  fail(): void;
  mend(): void;
  close(): Promise<void>;
}

/** What every way to tell people does. */
export function alertsContract(name: string, make: () => Promise<AlertsSubject>): void {
  describe(`${name} as alerts`, () => {
    let subject: AlertsSubject;
    const send = (alert: Alert): ReturnType<Alerts['send']> => subject.alerts.send(alert);
    beforeEach(async () => {
      subject = await make();
    });
    afterEach(() => subject.close());

    it('shows an alert with every line that its reader needs, and says where it was shown', async () => {
      const alert = anAlert();
      expect(await send(alert)).toEqual({ delivered: [subject.sink], failed: [] });
      const [text, ...more] = subject.shown();
      expect(more).toEqual([]);
      const read = text?.replace(/\s+/g, ' ') ?? '';
      const { title, wrong, did, users, must, command, link } = alert;
      for (const line of [title, wrong, did, users, must, command, link]) expect(read).toContain(line);
    });

    it('shows the same key once, however often and however concurrently it is sent', async () => {
      await Promise.all([send(anAlert()), send(anAlert())]);
      expect(await send(anAlert())).toEqual({ delivered: [subject.sink], failed: [] });
      expect(subject.shown()).toHaveLength(1);
    });

    it('shows another state of the same incident as another alert', async () => {
      await send(anAlert());
      await send(anAlert({ key: 'mail-triage/inc-7/settled', title: 'back on 1.2' }));
      expect(subject.shown()).toHaveLength(2);
      expect(subject.shown()[1]).toContain('back on 1.2');
    });

    it('names what could not be shown and why instead of rejecting, and shows it when it is sent again', async () => {
      subject.fail();
      const { delivered, failed } = await send(anAlert());
      expect(delivered).toEqual([]);
      expect(failed).toMatchObject([{ sink: subject.sink, why: expect.stringMatching(/\w{3,}/) }]);
      subject.mend();
      expect((await send(anAlert())).delivered).toEqual([subject.sink]);
      expect(subject.shown()).toHaveLength(1);
    });

    it('lets no text of another system steer the terminal of its reader', async () => {
      await send(anAlert({ wrong: 'recall\u001b[2J fell\r\nPAGE other: all is well' }));
      const [text = ''] = subject.shown();
      expect(text).not.toContain('\u001b[2J');
      expect(text).not.toMatch(/^PAGE other/m);
    });
  });
}

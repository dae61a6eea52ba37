import type { Engine } from '../../../activities/ports';
import type { Json } from '../../../domain/ledger';
import { EngineUnreachable } from '../../../adapters/serving/errors';

export interface EngineServer {
  readonly address: string;
  /** What the next calls meet. */
  fault(kind: 'none' | 'not-ready' | 'status-500' | 'hang' | 'reset' | 'garbage' | 'huge'): void;
  close(): Promise<void>;
}

export interface EngineSubject {
  readonly engine: Engine;
  readonly server: EngineServer;
  readonly model: string;
  readonly request: Json;
  /** Output that the server answers with `spam`. */
  readonly output: string;
}

/** What every engine profile does against its kind of server. */
export function engineContract(name: string, make: () => Promise<EngineSubject>): void {
  describe(`${name} as an engine`, () => {
    let subject: EngineSubject;
    beforeEach(async () => {
      subject = await make();
    });
    afterEach(() => subject.server.close());
    const limits = { timeoutMs: 300 };
    const infer = () => subject.engine.infer(subject.server.address, subject.model, subject.request, limits);

    it('is ready when the server says so, and not when the server says no or is not there', async () => {
      const { engine, server, model } = subject;
      expect((await engine.ready(server.address, model, limits)).ready).toBe(true);
      server.fault('not-ready');
      expect(await engine.ready(server.address, model, limits)).toMatchObject({
        ready: false,
        why: expect.stringContaining('503') as string,
      });
      expect(await engine.ready('http://127.0.0.1:9', model, limits)).toMatchObject({
        ready: false,
        why: expect.stringContaining('ECONNREFUSED') as string,
      });
    });

    it('gives the outputs of an inference by name, with its status and time', async () => {
      const answer = await infer();
      expect(answer.status).toBe(200);
      expect(answer.outputs[subject.output]).toBe('spam');
      expect(answer.ms).toBeGreaterThan(0);
    });

    it('gives a failed inference as its status, without outputs', async () => {
      subject.server.fault('status-500');
      expect(await infer()).toMatchObject({ status: 500, outputs: {} });
    });

    it('rejects as unreachable when the answer does not come in time or the connection is reset', async () => {
      subject.server.fault('hang');
      await expect(infer()).rejects.toThrow(/no whole answer within 300 ms/);
      subject.server.fault('reset');
      await expect(infer()).rejects.toThrow(EngineUnreachable);
    });

    it('rejects an answer that is no JSON and one that is longer than it reads', async () => {
      subject.server.fault('garbage');
      await expect(infer()).rejects.toThrow(/expected JSON, found "<html>/);
      subject.server.fault('huge');
      await expect(infer()).rejects.toThrow(/longer than 100000 bytes/);
    });

    it('tells the identity and the means it rests on', async () => {
      const identity = await subject.engine.identity(subject.server.address, subject.model, limits);
      expect(identity.digest ?? identity.version).toBeTruthy();
      await expect(subject.engine.identity('http://127.0.0.1:9', subject.model, limits)).rejects.toThrow(
        EngineUnreachable,
      );
    });
  });
}

import { createServer, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { InstanceEvent } from '../../activities/ports';
import { DockerClient } from '../../adapters/serving/docker/client';
import { Containers } from '../../adapters/serving/docker/containers';
import { followEvents } from '../../adapters/serving/docker/events';
import { label } from '../../adapters/serving/docker/labels';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

/** An engine that does what a real one does only by chance: between the begin of its events and the list of containers. */
class ChanceEngine {
  readonly socket = join(temporaryDirectory('engine'), 'docker.sock');
  events = 0;
  private readonly server: Server;

  constructor(whileListing: (events: ServerResponse | null, round: number) => Promise<void>) {
    let stream: ServerResponse | null = null;
    this.server = createServer((req, res) => {
      if (req.url?.includes('/events')) {
        this.events += 1;
        stream = res.writeHead(200, { 'content-type': 'application/json' });
        res.flushHeaders();
      } else {
        void whileListing(stream, this.events).then(() =>
          res.writeHead(200, { 'content-type': 'application/json' }).end('[]'),
        );
      }
    });
    this.server.listen(this.socket);
  }

  async follow(signal: AbortSignal, told: InstanceEvent[]): Promise<void> {
    const client = new DockerClient({ socket: this.socket });
    const containers = new Containers(client, 'ours');
    for await (const event of followEvents({ client, containers, service: 'mail', signal })) told.push(event);
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

describe('the events of a Docker engine', () => {
  let engine: ChanceEngine;
  let ending: AbortController;
  let told: InstanceEvent[];
  beforeEach(() => {
    ending = new AbortController();
    told = [];
  });
  afterEach(() => {
    ending.abort();
    engine.close();
  });
  afterAll(removeTemporary);

  it('may break off before anybody reads them, and are then followed again', async () => {
    engine = new ChanceEngine(async (events, round) => {
      if (round > 1) return;
      events?.socket?.destroy();
      await new Promise((resume) => setTimeout(resume, 50));
    });
    const following = engine.follow(ending.signal, told);
    await until('the second round', () => told.some(({ event }) => event === 'engine-back'));
    ending.abort();
    await following;
    expect(told.map(({ event }) => event)).toEqual(['engine-lost', 'engine-back']);
    expect(engine.events).toBe(2);
  });

  it('end in silence where nobody wants them any more before anybody read them', async () => {
    engine = new ChanceEngine(async () => {
      ending.abort();
      await new Promise((resume) => setTimeout(resume, 50));
    });
    await engine.follow(ending.signal, told);
    expect(told).toEqual([]);
  });

  it('are told also when they come before anybody reads them', async () => {
    engine = new ChanceEngine(async (events) => {
      const Attributes = { [label.owner]: 'ours', [label.instance]: 'mail@1.0#a', exitCode: '137' };
      events?.write(`${JSON.stringify({ Action: 'die', Actor: { ID: 'c1', Attributes }, timeNano: 1e18 })}\n`);
      await new Promise((resume) => setTimeout(resume, 50));
    });
    const following = engine.follow(ending.signal, told);
    await until('the death', () => told.length > 0);
    ending.abort();
    await following;
    expect(told).toMatchObject([{ event: 'died', instance: 'mail@1.0#a', detail: 'exit code 137' }]);
  });
});

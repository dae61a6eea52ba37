import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { OutputCache, VersionProof } from '../../../activities/ports';
import type { ApiPorts, DrillSchedules, ItemsControl } from '../../../api/ports';
import { DecisionsUnreachable } from '../../../api/ports';
import { createApiServer } from '../../../api/server';
import { main } from '../../../cli/main';
import type { Terminal } from '../../../cli/terminal';
import type { AnswerLookup, AnswersAt, RouterState } from '../../../api/types';
import type { VersionInfo } from '../../../domain/version';
import { runPaths } from '../../../workers/embedded/paths';
import { temporaryDirectory } from '../../support/temporary';
import { service, type PlayedService } from './rollback-story';

/** What a command wrote and how it ended. */
export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The controller's real interface over a Unix socket, in front of a played service; and the command line beside it. */
export class ApiRig {
  readonly directory = temporaryDirectory('cli');
  readonly config = join(this.directory, 'lastgood.yaml');
  private server: FastifyInstance | null = null;
  decisionsDown = false;
  /** A fault of the interface is part of the test, not of its rig. */
  expectsFaults = false;
  /** Called with each page that `status -w` paints. */
  onPage: (() => void) | null = null;
  /** What the command that was begun last has written so far. */
  written: Omit<Run, 'code'> = { out: '', err: '' };
  /** Sessions by version, as the router counts them. */
  pinned: RouterState['pinned'] = {};
  /** Kept pictures by digest. */
  readonly pictures = new Map<string, string>();
  caches: readonly OutputCache[] = [];
  /** What the artifact store has. */
  stored: VersionInfo[] = [];
  readonly proofs = new Map<string, VersionProof>();
  schedules: DrillSchedules | null = null;
  items: ItemsControl | null = null;
  answers: { lookup: AnswerLookup; at: AnswersAt } | null = null;

  constructor(readonly played: PlayedService) {
    const command = "['/usr/bin/env', '{report}']";
    writeFileSync(
      this.config,
      `services:\n  ${service}:\n    model: triage\n    serving: { runtime: process, command: ${command} }\n`,
    );
  }

  async listen(): Promise<this> {
    const { apiSocket } = runPaths(join(this.directory, '.lastgood'));
    mkdirSync(dirname(apiSocket), { recursive: true, mode: 0o700 });
    this.server = createApiServer(this.ports(), {
      door: { kind: 'socket', user: 'alice' },
      tls: null,
      onError: (error) => {
        if (!this.expectsFaults) throw error;
      },
    });
    await this.server.listen({ path: apiSocket });
    return this;
  }

  async close(): Promise<void> {
    await this.server?.close();
  }

  async run(...args: readonly string[]): Promise<Run> {
    const written = { out: '', err: '' };
    this.written = written;
    const terminal: Terminal = {
      isTerminal: false,
      out: (line) => void (written.out += `${line}\n`),
      err: (line) => void (written.err += `${line}\n`),
      repaint: (lines) => {
        written.out += `${lines.join('\n')}\n`;
        this.onPage?.();
      },
      now: () => this.played.now,
    };
    const code = await main([...args, '--config', this.config], terminal);
    return { code, ...written };
  }

  /** Past the command line: what another program would send. */
  async post(url: string, payload: object): Promise<{ status: number; detail: string }> {
    const answer = await this.server?.inject({ method: 'POST', url, payload });
    return { status: answer?.statusCode ?? 0, detail: (answer?.json() as { detail?: string }).detail ?? '' };
  }

  private router(): RouterState {
    const { declared, routedAt } = this.played.state;
    return {
      service,
      record: declared,
      floor: 0,
      inForceSince: declared ? routedAt : null,
      fallback: null,
      inFlight: {},
      pinned: this.pinned,
      lastSeq: 1,
    };
  }

  private ports(): ApiPorts {
    const unused = (what: string) => () => Promise.reject(new Error(`${what} was not expected`));
    const { played } = this;
    return {
      ...(this.items && { items: this.items }),
      schedules: this.schedules ?? {
        read: unused('read of a schedule'),
        put: unused('put of a schedule'),
        setPaused: unused('pause of a schedule'),
        remove: unused('removal of a schedule'),
      },
      services: [{ name: service, model: 'triage', chaos: 'ask' }],
      decisions: {
        status: () =>
          this.decisionsDown
            ? Promise.reject(new DecisionsUnreachable('Temporal: connection refused'))
            : Promise.resolve(played.status()),
        act: async (_service, _name, message) => {
          const answer = await played.message(message);
          if (!answer) throw new Error('a message is always answered');
          return answer;
        },
        artifactsChanged: unused('artifactsChanged'),
      },
      caches: { of: () => this.caches },
      evidence: { read: (_service, _incident, digest) => Promise.resolve(this.pictures.get(digest) ?? null) },
      pushed: { take: unused('take'), takeReport: unused('takeReport') },
      alertsChanged: () => 0,
      series: { read: () => Promise.resolve(new Map()) },
      router: {
        read: () => Promise.resolve(this.router()),
        entrance: () => Promise.resolve({ address: 'http://127.0.0.1:8080', probeHeaders: {} }),
        apply: unused('apply'),
        fence: unused('fence'),
        drained: unused('drained'),
      },
      telemetry: {
        answer: () => Promise.resolve(this.known().lookup),
        answersAt: () => Promise.resolve(this.known().at),
        follow: () => {
          throw new Error('follow was not expected');
        },
        window: unused('window'),
        samples: unused('samples'),
        feedback: unused('feedback'),
      },
      ledger: played.ledger,
      artifacts: {
        list: () => Promise.resolve(this.stored),
        import: unused('import'),
        proof: (_service, version) => Promise.resolve(this.proofs.get(version) ?? null),
      },
      metrics: { contentType: 'text/plain', text: () => Promise.resolve('') },
      health: unused('health'),
    };
  }

  private known(): { lookup: AnswerLookup; at: AnswersAt } {
    if (!this.answers) throw new Error('no answer record was given');
    return this.answers;
  }
}

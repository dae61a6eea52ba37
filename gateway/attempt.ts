import type { Dispatcher } from 'undici';
import type { Target } from './upstream';

/** What an attempt tells the request that it belongs to. */
export interface AttemptOwner {
  onAnswer(attempt: Attempt, status: number, headers: Record<string, string | string[] | undefined>): void;
  onData(attempt: Attempt, chunk: Buffer): void;
  onEnd(attempt: Attempt): void;
  onFailure(attempt: Attempt, error: Error): void;
}

const GIVEN_UP = new Error('the request was given up');

/** One try of one request at one backend: undici's handler, deaf once it was given up. */
export class Attempt implements Dispatcher.DispatchHandler {
  controller: Dispatcher.DispatchController | null = null;
  /** True once the request was put on a connection: from then on the backend may have executed it. */
  started = false;
  private over = false;

  constructor(
    private readonly owner: AttemptOwner,
    readonly target: Target,
  ) {}

  giveUp(): void {
    if (this.over) return;
    this.over = true;
    this.controller?.abort(GIVEN_UP);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    this.started = true;
    if (this.over) controller.abort(GIVEN_UP);
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // 1xx are of the hop.
    if (!this.over && status >= 200) this.owner.onAnswer(this, status, headers);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.over) this.owner.onData(this, chunk);
  }

  onResponseEnd(): void {
    if (this.over) return;
    this.over = true;
    this.owner.onEnd(this);
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.over) return;
    this.over = true;
    this.owner.onFailure(this, error);
  }
}

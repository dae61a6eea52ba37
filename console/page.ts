import type { Me } from '../api/types';
import type { ConsoleApi } from './api';

/** One page: its element is shown at once, and filled until `signal` aborts. */
export interface Page {
  readonly title: string;
  readonly element: HTMLElement;
  start(context: PageContext): void;
}

export interface PageContext {
  readonly api: ConsoleApi;
  readonly me: Me;
  readonly signal: AbortSignal;
  /** For those who cannot see what changed. */
  announce(words: string): void;
  /** Null: what is shown is of now. */
  connection(words: string | null): void;
  /** The proof is not accepted any more. */
  refused(why: string): void;
  /** The colours have changed; what is drawn must be drawn again. */
  onRepaint(repaint: () => void): void;
}

/** Milliseconds of the controller's clock: that of a phone may be off. */
export class ControllerClock {
  private ahead = 0;

  heard(at: number): void {
    this.ahead = at - Date.now();
  }

  now(): number {
    return Date.now() + this.ahead;
  }
}

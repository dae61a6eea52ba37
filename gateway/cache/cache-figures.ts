import { DDSketch } from '@datadog/sketches-js';
import type { CacheFigures } from '../../domain/caches/choice';

/** Half of what the figures look back on. */
const PART_MS = 150_000;

interface Part {
  readonly sinceMs: number;
  served: number;
  asked: number;
  readonly model: DDSketch;
}

/** What a cache did in the last five minutes, in two parts that follow each other. */
export class Recently {
  private now: Part;
  private before: Part | null = null;

  constructor(nowMs: number) {
    this.now = part(nowMs);
  }

  count(served: boolean, nowMs: number): void {
    this.turn(nowMs);
    this.now.asked += 1;
    if (served) this.now.served += 1;
  }

  /** Time of an answer that the model itself gave. */
  modelAnswered(ms: number, nowMs: number): void {
    this.turn(nowMs);
    this.now.model.accept(ms);
  }

  read(nowMs: number): Pick<CacheFigures, 'hitRate' | 'requestsPerSecond' | 'missP99Ms'> {
    this.turn(nowMs);
    const parts = this.before === null ? [this.now] : [this.before, this.now];
    const asked = parts.reduce((sum, each) => sum + each.asked, 0);
    const served = parts.reduce((sum, each) => sum + each.served, 0);
    const model = new DDSketch({ relativeAccuracy: 0.01 });
    for (const each of parts) model.merge(each.model);
    const seconds = Math.max(1, nowMs - (parts[0] as Part).sinceMs) / 1_000;
    return {
      hitRate: asked === 0 ? null : served / asked,
      requestsPerSecond: asked === 0 ? null : asked / seconds,
      missP99Ms: model.count === 0 ? null : model.getValueAtQuantile(0.99),
    };
  }

  private turn(nowMs: number): void {
    if (nowMs - this.now.sinceMs < PART_MS) return;
    this.before = nowMs - this.now.sinceMs < 2 * PART_MS ? this.now : null;
    this.now = part(nowMs);
  }
}

function part(sinceMs: number): Part {
  return { sinceMs, served: 0, asked: 0, model: new DDSketch({ relativeAccuracy: 0.01 }) };
}

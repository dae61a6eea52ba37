/** How the demo speaks: one line a fact, times since the start, the reader understands each without a manual. */
import type { LedgerEntry } from './controller';

export class Telling {
  private readonly began = Date.now();
  private readonly colour: boolean;

  constructor(private readonly stream: NodeJS.WriteStream) {
    this.colour = stream.isTTY === true;
  }

  /** A chapter of the story. */
  chapter(title: string): void {
    this.stream.write(`\n${this.paint(`── ${title} `, '1')}${'─'.repeat(Math.max(0, 96 - title.length))}\n`);
  }

  line(text: string, style: 'plain' | 'good' | 'bad' | 'quiet' = 'plain'): void {
    const codes = { plain: '', good: '32', bad: '31;1', quiet: '2' } as const;
    this.stream.write(`${this.paint(this.clock(Date.now()), '2')}  ${this.paint(text, codes[style])}\n`);
  }

  bare(text = ''): void {
    this.stream.write(`${text}\n`);
  }

  /** `1:07.3` since the start. */
  clock(atMs: number): string {
    const tenths = Math.round(Math.max(0, atMs - this.began) / 100);
    const minutes = Math.floor(tenths / 600);
    return `${minutes}:${((tenths - minutes * 600) / 10).toFixed(1).padStart(4, '0')}`;
  }

  private paint(text: string, code: string): string {
    return this.colour && code !== '' ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

export interface Exposure {
  total: number;
  parts: { name: string; ms: number }[];
}

/** Onset → settled in its five parts, from the ledger's entry; null while a time is missing. */
export function exposureOf(settled: LedgerEntry): Exposure | null {
  const at = (name: string): number | null =>
    typeof settled.facts[name] === 'number' ? (settled.facts[name] as number) : null;
  const names = ['onsetAt', 'detectedAt', 'decidedAt', 'preparedAt', 'shiftedAt', 'settledAt'] as const;
  const times = names.map(at);
  if (times.some((time) => time === null)) return null;
  const [onset, detected, decided, prepared, shifted, end] = times as number[] as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return {
    total: shifted - onset,
    parts: [
      { name: 'detect', ms: detected - onset },
      { name: 'decide', ms: decided - detected },
      { name: 'prepare', ms: prepared - decided },
      { name: 'shift', ms: shifted - prepared },
      { name: 'verify', ms: end - shifted },
    ],
  };
}

export function duration(ms: number): string {
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

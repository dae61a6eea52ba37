import { request } from 'undici';
import { DEFAULT_HOST_RULES, type HardwareRules } from '../hardware-change';
import type { HardwareReader } from '../hardware-signals';
import { DCGM_NAMES, dcgmReading, GPU_RULES } from './dcgm-metrics';
import { ExpositionRefused, parseExposition } from './exposition';
import { NODE_NAMES, nodeReading, type CpuTimes } from './node-metrics';

export type ExporterKind = 'node' | 'dcgm';

/** No connection, no whole answer in time, or an answer that is none: the machine's state is not known. */
export class ExporterUnreachable extends Error {
  override readonly name = 'ExporterUnreachable';
}

export interface Exporter {
  readonly kind: ExporterKind;
  /** The whole address, as `http://host:9100/metrics`. */
  readonly url: string;
  /** `node`: where the file system is mounted whose room counts. */
  readonly mountpoint: string;
  /** `dcgm`: numbers of the GPUs that count; null: all. */
  readonly gpus: readonly string[] | null;
}

export interface ExporterLimits {
  /** For one whole answer; default 2 s. */
  readonly timeoutMs?: number;
  /** Longest answer that is read; default 8 MiB. */
  readonly limitBytes?: number;
}

export function rulesOf(kind: ExporterKind): HardwareRules {
  return kind === 'node' ? DEFAULT_HOST_RULES : GPU_RULES;
}

/** Reads a node_exporter or a dcgm-exporter. */
export function exporterReader(exporter: Exporter, now: () => number, limits: ExporterLimits = {}): HardwareReader {
  const { kind, url, mountpoint } = exporter;
  const gpus = exporter.gpus === null ? null : new Set(exporter.gpus);
  const known = new Set<string>();
  let cpu: CpuTimes | null = null;
  return {
    async read() {
      const text = await fetchText(url, limits);
      try {
        const samples = parseExposition(text, kind === 'node' ? NODE_NAMES : DCGM_NAMES);
        if (samples.length === 0) throw new ExpositionRefused(`it exports nothing that a ${kind} exporter would`);
        if (kind === 'dcgm') return { atMs: now(), values: dcgmReading(samples, gpus, known) };
        const reading = nodeReading(samples, mountpoint, cpu);
        cpu = reading.cpu;
        return { atMs: now(), values: reading.values };
      } catch (fault) {
        if (fault instanceof ExpositionRefused) throw new ExporterUnreachable(`${url}: ${fault.message}`);
        throw fault;
      }
    },
  };
}

async function fetchText(url: string, { timeoutMs = 2_000, limitBytes = 8 << 20 }: ExporterLimits): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const answer = await request(url, { signal, headers: { accept: 'text/plain;version=0.0.4' } });
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of answer.body as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > limitBytes) throw new ExporterUnreachable(`${url}: the answer is longer than ${limitBytes} bytes`);
      parts.push(part);
    }
    if (answer.statusCode !== 200) throw new ExporterUnreachable(`${url}: answered ${answer.statusCode}`);
    return Buffer.concat(parts).toString('utf8');
  } catch (fault) {
    if (fault instanceof ExporterUnreachable) throw fault;
    const code = (fault as { code?: unknown }).code;
    const said = typeof code === 'string' ? code : String((fault as Error).message);
    throw new ExporterUnreachable(`${url}: ${signal.aborted ? `no whole answer within ${timeoutMs} ms` : said}`);
  }
}

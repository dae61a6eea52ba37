import type { Contradiction } from './cross-checks';
import type { ServiceText } from './schema';

/** vLLM takes its whole --shutdown-timeout, and 2 to 4 s more (measured) until its processes are gone. */
const AFTER_DRAIN_MS = 5_000;

/** What contradicts itself between an engine, its options and the policy. Paths begin at the service. */
export function checkEngine({ serving, policy }: ServiceText): Contradiction[] {
  const found: Contradiction[] = [];
  if (serving.runtime === 'triton') return found;
  if (serving.canary !== undefined && serving.engine !== 'vllm' && serving.engine !== 'tgi') {
    const problem = `found with engine ${serving.engine}, which is asked by other means; expected with vllm or tgi`;
    found.push({ path: ['serving', 'canary'], problem });
  }
  if (serving.apiKeyFile !== undefined && !['openai', 'vllm', 'tgi'].includes(serving.engine)) {
    const problem = `found with engine ${serving.engine}, which is sent none; expected with openai, vllm or tgi`;
    found.push({ path: ['serving', 'apiKeyFile'], problem });
  }
  if (serving.runtime === 'vllm-adapters' && serving.maxAdapters !== undefined) {
    const { copiesLoadedMax } = policy;
    if (serving.maxAdapters < copiesLoadedMax) {
      const problem = `found ${serving.maxAdapters}, less than policy.copiesLoadedMax (${copiesLoadedMax}): live, standby and the next one are an adapter each`;
      found.push({ path: ['serving', 'maxAdapters'], problem });
    }
  }
  if (serving.runtime === 'external' && serving.wake && serving.engine !== 'vllm') {
    const problem = `found true with engine ${serving.engine}, whose servers cannot sleep; expected engine vllm`;
    found.push({ path: ['serving', 'wake'], problem });
  }
  if (serving.runtime === 'external' && serving.wake && serving.address !== undefined) {
    const problem = 'found true with one address: what sleeps there could not be loaded beside what serves there';
    found.push({ path: ['serving', 'wake'], problem });
  }
  const drainMs = serving.engine === 'vllm' && 'command' in serving ? shutdownTimeoutMs(serving.command) : null;
  if (drainMs !== null && policy.steps.stopGrace < drainMs + AFTER_DRAIN_MS) {
    const problem = `is shorter than --shutdown-timeout of the command (${drainMs / 1000} s) and ${AFTER_DRAIN_MS / 1000} s: the server would be killed while it finishes its requests`;
    found.push({ path: ['policy', 'steps', 'stopGrace'], problem });
  }
  return found;
}

function shutdownTimeoutMs(command: readonly string[]): number | null {
  const flag = '--shutdown-timeout';
  const at = command.findIndex((argument) => argument === flag || argument.startsWith(`${flag}=`));
  if (at < 0) return null;
  const seconds = Number(command[at]?.slice(flag.length + 1) || command[at + 1]);
  return Number.isFinite(seconds) ? seconds * 1_000 : null;
}

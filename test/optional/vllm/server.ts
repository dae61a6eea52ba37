import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '../../..');
export const RELEASE = '0.32.0';
const environmentRoot = join(ROOT, '.cache/test-deps', `vllm-${RELEASE}`);

/** Python of the installed vLLM; null where `scripts/optional/vllm.sh` has not been run, or could not install it. */
export function vllmPython(): string | null {
  const python = join(environmentRoot, 'bin/python');
  return existsSync(join(environmentRoot, 'complete')) && existsSync(python) ? python : null;
}

/** What keeps vLLM on this machine, on few cores, and off a matrix unit that is announced and not usable. */
export const vllmEnvironment: Readonly<Record<string, string>> = {
  HOME: process.env['HOME'] ?? '/tmp',
  VLLM_CPU_KVCACHE_SPACE: '1',
  HF_HUB_OFFLINE: '1',
  TRANSFORMERS_OFFLINE: '1',
  VLLM_NO_USAGE_STATS: '1',
  VLLM_ALLOW_RUNTIME_LORA_UPDATING: 'True',
  VLLM_SERVER_DEV_MODE: '1',
  VLLM_CPU_OMP_THREADS_BIND: 'nobind',
  OMP_NUM_THREADS: '1',
  ONEDNN_MAX_CPU_ISA: 'AVX512_CORE',
};

export function vllmCommand(python: string, model: string): string[] {
  const server = [python, '-m', 'vllm.entrypoints.openai.api_server', '--model', model, '--served-model-name', 'mail'];
  const place = ['--host', '127.0.0.1', '--port', '{port}'];
  const size = ['--dtype', 'float32', '--max-model-len', '4096', '--max-num-seqs', '8', '--enforce-eager'];
  const lora = ['--enable-lora', '--max-lora-rank', '8', '--max-loras', '2', '--max-cpu-loras', '4'];
  return ['/usr/bin/nice', '-n', '5', ...server, ...place, ...size, ...lora, '--shutdown-timeout', '20'];
}

/** `base`, `adapter-1` and `adapter-2` in the directory. */
export function makeModel(python: string, directory: string): void {
  execFileSync(python, [join(__dirname, 'make-model.py'), directory], {
    env: { ...process.env, HF_HUB_OFFLINE: '1', CUDA_VISIBLE_DEVICES: '' },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 300_000,
  });
}

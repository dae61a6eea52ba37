import { codeInFile } from './content';
import type { Manifest } from './manifest';

/** A server that is given text needs to know how it becomes tokens; the others are given numbers, or need not say. */
const TAKES_TEXT: readonly string[] = ['openai', 'vllm', 'tgi'];
const MODEL_CONFIG = /(^|\/)config\.json$/;

/** Parts of a version that its digest does not cover because the manifest lists none. */
export function coverageRemarks({ files, engine }: Manifest): string[] {
  const has = (role: string): boolean => files.some((file) => file.role === role);
  const remarks: string[] = [];
  if (!has('weights') && !has('adapter'))
    remarks.push('WARNING: no file of role weights or adapter: the digest says nothing of what is loaded');
  const needsTokenizer = TAKES_TEXT.includes(engine) || files.some(({ path }) => MODEL_CONFIG.test(path));
  if (needsTokenizer && !has('tokenizer'))
    remarks.push(
      `WARNING: no file of role tokenizer, which ${engine} needs: the digest does not cover what turns text into tokens`,
    );
  return remarks;
}

/** Files that run code of their author when they are loaded, and that this host allows. */
export async function formatRemarks(root: string, { files }: Manifest): Promise<string[]> {
  const found: string[] = [];
  for (const file of files) {
    const code = await codeInFile(root, file);
    if (code !== null) found.push(`${file.path} (${code})`);
  }
  if (found.length === 0) return [];
  const shown = found.slice(0, 3).join(', ') + (found.length > 3 ? ` and ${found.length - 3} more` : '');
  return [`WARNING: allowed by artifacts.allowFormats, and may run code when loaded: ${shown}`];
}

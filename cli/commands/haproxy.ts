import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse } from '../failure';
import { loadWhole } from './whole-configuration';

/** `lastgood haproxy config`: the whole `haproxy.cfg`, printed, or with `--write` put where HAProxy reads it. */
export async function haproxyConfig(context: Context, input: { readonly write: boolean }): Promise<number> {
  const configuration = await loadWhole(context);
  const { haproxyConfigText, haproxyOptions, writeHaproxyFiles } = await import('../../workers/router');
  const options = haproxyOptions(configuration);
  if (options === null)
    throw badUse(
      `${configuration.file}: router.kind is gateway`,
      'set router: {kind: haproxy, directory: DIRECTORY} and ask again',
    );
  if (!input.write) {
    const text = haproxyConfigText(options);
    if (context.json) printJson(context.terminal, { text });
    else printLines(context.terminal, text.trimEnd().split('\n'));
    return exitCodes.ok;
  }
  const { file, changed } = await writeHaproxyFiles(configuration, options);
  if (context.json) printJson(context.terminal, { file, changed });
  else
    printLines(context.terminal, [
      changed ? `${file}: written; start or reload HAProxy now:` : `${file}: was as expected already`,
      `  haproxy -W -S ${options.masterSocket},mode,600 -f ${file}`,
    ]);
  return exitCodes.ok;
}

import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Finding } from '../checks/finding';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse, CliFailure } from '../failure';
import { defaultConfigFile } from '../settings';

export interface InitInput {
  readonly url?: string;
  readonly service?: string;
  readonly model?: string;
  readonly engine?: string;
  readonly force: boolean;
}

const askedEngines = ['open-inference', 'openai'] as const;
const timeoutMs = 3_000;

/** `lastgood init --url …`: asks the endpoint once and writes a configuration that only observes it. */
export async function init(context: Context, input: InitInput): Promise<number> {
  if (input.url === undefined)
    throw badUse(
      '--url is missing: the address of the endpoint that already runs',
      'lastgood init --url http://127.0.0.1:8000 --model NAME',
    );
  const address = originOf(input.url);
  const file = resolve(context.options.config ?? defaultConfigFile);
  if (existsSync(file) && !input.force)
    throw new CliFailure(
      exitCodes.refused,
      `${file} is there already, and nothing was written`,
      `lastgood init --url ${input.url} --force   or   --config OTHER-FILE`,
    );
  const model = input.model ?? (await onlyModel(address));
  const service = input.service ?? serviceNameOf(model);
  const engines = input.engine === undefined ? askedEngines : [input.engine];
  const tried: string[] = [];
  for (const engine of engines) {
    const text = configurationText({ service, model, engine, address });
    const asked = await tryOut(file, text, service, address, model);
    if (asked.ready) {
      renameSync(asked.candidate, file);
      report(context, { file, service, model, engine, address, finding: asked.finding });
      return exitCodes.ok;
    }
    tried.push(`${engine}: ${asked.why}`);
  }
  throw new CliFailure(
    exitCodes.unreachable,
    `${address} is not ready for ${model}: ${tried.join('; ')}; nothing was written`,
    `start it, or say what it speaks: lastgood init --url ${address} --model ${model} --engine open-inference|openai|plain-http`,
  );
}

function originOf(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw badUse(`--url: found "${text}", expected an address such as http://127.0.0.1:8000`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw badUse(`--url: found "${text}", expected http:// or https://`);
  if (url.username !== '' || url.password !== '') throw badUse('--url: found a name or password in it, expected none');
  return url.origin;
}

/** The name of the one model that the server offers, where it can be asked for a list. */
async function onlyModel(address: string): Promise<string> {
  const names =
    (await namesFrom(`${address}/v1/models`, 'GET')) ??
    (await namesFrom(`${address}/v2/repository/index`, 'POST')) ??
    [];
  const [only, other] = names;
  if (only !== undefined && other === undefined) return only;
  throw badUse(
    names.length === 0
      ? `--model is missing, and ${address} offers no list of models`
      : `--model is missing: found ${names.join(', ')}, expected one of them`,
    `lastgood init --url ${address} --model ${only ?? 'NAME'}`,
  );
}

async function namesFrom(url: string, method: 'GET' | 'POST'): Promise<string[] | null> {
  try {
    const answer = await fetch(url, { method, signal: AbortSignal.timeout(timeoutMs), redirect: 'manual' });
    if (!answer.ok) return null;
    const json = (await answer.json()) as { data?: unknown } | unknown[];
    const list = Array.isArray(json) ? json : json.data;
    if (!Array.isArray(list)) return null;
    return list.flatMap((item: { id?: unknown; name?: unknown }) => {
      const name = item.id ?? item.name;
      return typeof name === 'string' ? [name] : [];
    });
  } catch {
    // No such path, or nobody there: the engine's own readiness says which, in its words.
    return null;
  }
}

function serviceNameOf(model: string): string {
  const name = model
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63);
  if (name === '') throw badUse(`--service is missing, and none can be made of the model's name "${model}"`);
  return name;
}

function configurationText(given: { service: string; model: string; engine: string; address: string }): string {
  const { service, model, engine, address } = given;
  return `# Written by \`lastgood init\`: it only watches. Every key: docs/configuration.md; check it with \`lastgood validate\`.
dataDir: .lastgood
services:
  ${service}:
    # Send the clients here; the gateway passes every request on and measures it. Port 0: any free one.
    listen: 127.0.0.1:0
    model: ${JSON.stringify(model)}
    serving:
      runtime: external
      engine: ${engine}
      address: ${address}
    # Something else deploys: a new digest in the field is recorded as its deploy.
    changes: external
    policy:
      # observe: says what it would do. Then confirm (asks first), then act.
      mode: observe
`;
}

type Tried = { ready: true; candidate: string; finding: Finding } | { ready: false; why: string };

/** What is written is what was asked with: the text is read back by the same loader that \`up\` uses. */
async function tryOut(file: string, text: string, service: string, address: string, model: string): Promise<Tried> {
  const { loadConfiguration } = await import('../../workers/configuration/load');
  const { engineFor } = await import('../../workers/composition');
  const { askIdentity } = await import('../checks/sources');
  const candidate = join(dirname(file), `.lastgood-init-${process.pid}.yaml`);
  writeFileSync(candidate, text, { mode: 0o600 });
  let ready = false;
  try {
    const configured = loadConfiguration(candidate).services.find(({ name }) => name === service);
    if (configured === undefined) throw badUse(`--service: found "${service}", which the configuration does not keep`);
    const engine = engineFor(configured);
    const readiness = await engine.ready(address, model, { timeoutMs });
    if (!readiness.ready) return { ready: false, why: readiness.why };
    ready = true;
    return { ready: true, candidate, finding: await askIdentity(`${service} at ${address}`, engine, address, model) };
  } catch (error) {
    if (error instanceof Error && error.name === 'ConfigurationError')
      throw new CliFailure(
        exitCodes.badUse,
        error.message.replaceAll(candidate, file),
        'choose another --service, --model or --engine',
      );
    throw error;
  } finally {
    if (!ready) rmSync(candidate, { force: true });
  }
}

interface Written {
  readonly file: string;
  readonly service: string;
  readonly model: string;
  readonly engine: string;
  readonly address: string;
  readonly finding: Finding;
}

function report(context: Context, written: Written): void {
  const { file, service, model, engine, address, finding } = written;
  if (context.json) return printJson(context.terminal, written);
  printLines(context.terminal, [
    `wrote ${file}: service ${service}, model ${model} at ${address} (${engine}), mode observe, changes: external`,
    `${finding.said}${finding.remedy === null ? '' : ` → ${finding.remedy}`}`,
    'next:',
    `  lastgood validate --config ${file}`,
    `  lastgood up --config ${file}   (then send the clients to the entrance that it prints)`,
    `  a way back: serving.versions with an address for each version, or lastgood artifacts import DIRECTORY`,
  ]);
}

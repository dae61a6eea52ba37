import { RegistryAnswerRefused } from '../registry/errors';
import { noteTags } from '../registry/notes-back';
import type { Registry, RegistryVersion } from '../registry/registry';
import { downloadUriAnswer, modelAnswer, read, versionsAnswer, type ModelVersion } from './answers';
import { mlflowHttp, type MlflowServer } from './http';
import { mlflowSource } from './source';

export interface MlflowOptions extends MlflowServer {
  /** Name of the registered model. */
  readonly model: string;
  /** Versions of one answer; default 200. */
  readonly pageSize?: number;
}

const API = '/api/2.0/mlflow';
const PAGE = 200;
/** A registry that gives page after page without an end is not read without an end. */
const PAGES_MAX = 50;
/** The server refuses longer tag values at 5,000. */
const LIMIT_TAG = 4_000;
const NO_STAGES = ['None', 'Archived'];

/** The versions of one registered model of an MLflow server, read and noted over its HTTP interface. */
export function mlflowRegistry(options: MlflowOptions): Registry {
  const http = mlflowHttp(options);
  const { model, pageSize = PAGE } = options;
  const where = `MLflow at ${options.url.replace(/\/+$/, '')}, model ${model}`;

  async function pages(signal: AbortSignal): Promise<ModelVersion[]> {
    const found: ModelVersion[] = [];
    const query = { filter: `name=${quoted(where, model)}`, order_by: 'version_number DESC', max_results: pageSize };
    let token = '';
    for (let page = 0; page < PAGES_MAX; page++) {
      const asked = token === '' ? query : { ...query, page_token: token };
      const answer = read(where, versionsAnswer, await http.get(`${API}/model-versions/search`, asked, signal));
      // The filter of some stores ignores case; a name is another one when it differs.
      found.push(...answer.model_versions.filter(({ name }) => name === model));
      token = answer.next_page_token;
      if (token === '') return found;
    }
    throw new RegistryAnswerRefused(`${where}: has more than ${pageSize * PAGES_MAX} versions`);
  }

  return {
    kind: 'mlflow',
    where,
    async list(signal) {
      // The entries of a search have no aliases, and a search for a model that does not exist finds nothing.
      const named = await http.get(`${API}/registered-models/get`, { name: model }, signal);
      const { aliases } = read(where, modelAnswer, named).registered_model;
      const versions = await pages(signal);
      return versions
        .map((version) => describe(version, aliases))
        .sort((left, right) => Number(right.id) - Number(left.id));
    },
    async open({ id, tags, run, version, origin }, signal) {
      const answer = await http.get(`${API}/model-versions/get-download-uri`, { name: model, version: id }, signal);
      const { artifact_uri: uri } = read(where, downloadUriAnswer, answer);
      const [, loggedModel = null] = /^models:\/(m-[A-Za-z0-9-]+)$/.exec(origin) ?? [];
      return mlflowSource(http, { what: `${where}, version ${id} (${version})`, uri, runId: run, loggedModel, tags });
    },
    async note({ id }, { standing, text, digest = null }, signal) {
      const set = (key: string, value: string | null): Promise<unknown> | null =>
        value === null
          ? null
          : http.post(
              `${API}/model-versions/set-tag`,
              { name: model, version: id, key, value: value.slice(0, LIMIT_TAG) },
              signal,
            );
      await set(noteTags.standing, standing);
      await set(noteTags.text, text);
      await set(noteTags.digest, digest);
    },
    close: () => http.close(),
  };
}

function describe(
  { version, creation_timestamp: createdAt, current_stage: stage, source, run_id: run, status, tags }: ModelVersion,
  aliases: readonly { readonly alias: string; readonly version: string }[],
): RegistryVersion {
  const named = aliases.filter((alias) => alias.version === version).map(({ alias }) => alias);
  return {
    version: `v${version}`,
    id: version,
    createdAt,
    state: status === 'READY' ? 'ready' : status === 'PENDING_REGISTRATION' ? 'pending' : 'failed',
    aliases: [...new Set([...named, ...(NO_STAGES.includes(stage) ? [] : [stage])])].sort(),
    tags: Object.fromEntries(tags.map(({ key, value }) => [key, value])),
    origin: source,
    run: run === '' ? null : run,
  };
}

/** Text of a filter; MLflow knows no way to write both quotes. */
function quoted(where: string, name: string): string {
  if (!name.includes("'")) return `'${name}'`;
  if (!name.includes('"')) return `"${name}"`;
  throw new RegistryAnswerRefused(`${where}: a name with both kinds of quotes cannot be searched for`);
}

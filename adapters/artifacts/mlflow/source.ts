import type { Figures, RemoteFile, VersionSource } from '../registry/registry';
import { RegistryMissing, RegistryVersionRefused } from '../registry/errors';
import { filesAnswer, loggedModelAnswer, read, runAnswer } from './answers';
import { download } from './download';
import type { MlflowHttp } from './http';
import { artifactPath, encodedPath, entryName } from './places';

const API = '/api/2.0/mlflow';
const FILES = '/api/2.0/mlflow-artifacts/artifacts';
const LIMIT_FILES = 10_000;
const LIMIT_FOLDERS = 1_000;
const LIMIT_DEPTH = 16;

export interface MlflowVersion {
  /** For people: registry, model and version. */
  readonly what: string;
  /** Where its files are, as the server says. */
  readonly uri: string;
  readonly runId: string | null;
  /** Of a logged model (`models:/m-…`), which keeps figures of its own; null for files of a run. */
  readonly loggedModel: string | null;
  readonly tags: Readonly<Record<string, string>>;
}

/** The files, reports and figures of one version; those of its run stand beside it. */
export function mlflowSource(http: MlflowHttp, { what, uri, runId, loggedModel, tags }: MlflowVersion): VersionSource {
  const root = artifactPath(what, uri);
  let asked: Promise<Run | null> | null = null;
  const run = async (signal: AbortSignal): Promise<Run | null> => {
    if (runId !== null) asked ??= orNull(readRun(http, what, runId, signal));
    return await asked;
  };

  async function list(folder: string, signal: AbortSignal): Promise<RemoteFile[]> {
    const found: RemoteFile[] = [];
    const open = [''];
    for (let folders = 1; open.length > 0; folders++) {
      const at = open.pop() ?? '';
      if (folders > LIMIT_FOLDERS || at.split('/').length > LIMIT_DEPTH)
        throw new RegistryVersionRefused(`${what}: has more than ${LIMIT_FOLDERS} folders, or ${LIMIT_DEPTH} in a row`);
      const path = at === '' ? folder : `${folder}/${at}`;
      const { files } = read(what, filesAnswer, await http.get(FILES, { path }, signal));
      for (const file of files) {
        const name = entryName(what, file.path);
        const inside = at === '' ? name : `${at}/${name}`;
        if (file.is_dir) open.push(inside);
        else found.push({ path: inside, bytes: file.file_size ?? null });
      }
      if (found.length > LIMIT_FILES) throw new RegistryVersionRefused(`${what}: has more than ${LIMIT_FILES} files`);
    }
    return found.sort((left, right) => (left.path < right.path ? -1 : 1));
  }

  return {
    files: (signal) => list(root, signal),
    fetch: ({ path, bytes }, target, limitBytes, signal) =>
      download(http, {
        what: `${what}: ${path}`,
        path: `${FILES}/${encodedPath(`${root}/${path}`)}`,
        target,
        bytes,
        limitBytes,
        signal,
      }),
    async small(path, limitBytes, signal) {
      const own = await http.bytes(`${FILES}/${encodedPath(`${root}/${path}`)}`, limitBytes, signal);
      if (own !== null) return own;
      const beside = await run(signal);
      if (beside === null || beside.artifacts === null || beside.artifacts === root) return null;
      return await http.bytes(`${FILES}/${encodedPath(`${beside.artifacts}/${path}`)}`, limitBytes, signal);
    },
    async figures(signal): Promise<Figures | null> {
      const of = await run(signal);
      const own = loggedModel === null ? null : await orNull(readLoggedModel(http, what, loggedModel, signal));
      if (of === null && own === null) return null;
      return {
        // What is nearer to the version goes first.
        value: (name) =>
          (name.startsWith('tag:') ? tags[name.slice(4)] : undefined) ?? own?.values.get(name) ?? of?.values.get(name),
        measuredAt: Math.max(own?.measuredAt ?? 0, of?.measuredAt ?? 0),
        data: of?.data ?? 'nothing names the data',
      };
    },
  };
}

interface Run {
  readonly values: ReadonlyMap<string, string | number>;
  readonly measuredAt: number;
  readonly data: string;
  readonly artifacts: string | null;
}

/** A run or a logged model that was deleted keeps nobody from taking the version. */
async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (fault) {
    if (fault instanceof RegistryMissing) return null;
    throw fault;
  }
}

async function readLoggedModel(
  http: MlflowHttp,
  what: string,
  id: string,
  signal: AbortSignal,
): Promise<Pick<Run, 'values' | 'measuredAt'>> {
  const answer = await http.get(`${API}/logged-models/${encodeURIComponent(id)}`, {}, signal);
  const { metrics, params } = read(`${what}: logged model ${id}`, loggedModelAnswer, answer).model.data;
  return {
    values: new Map<string, string | number>([
      ...params.map(({ key, value }) => [`param:${key}`, value] as const),
      ...metrics.map(({ key, value }) => [key, value] as const),
    ]),
    measuredAt: Math.max(0, ...metrics.map(({ timestamp }) => timestamp)),
  };
}

async function readRun(http: MlflowHttp, what: string, runId: string, signal: AbortSignal): Promise<Run> {
  const answer = await http.get(`${API}/runs/get`, { run_id: runId }, signal);
  const { info, data, inputs } = read(`${what}: run ${runId}`, runAnswer, answer).run;
  const values = new Map<string, string | number>([
    ...data.params.map(({ key, value }) => [`param:${key}`, value] as const),
    ...data.tags.map(({ key, value }) => [`tag:${key}`, value] as const),
    ...data.metrics.map(({ key, value }) => [key, value] as const),
  ]);
  const digests = inputs.dataset_inputs.map(({ dataset }) => dataset.digest).filter((digest) => digest !== '');
  return {
    values,
    measuredAt: Math.max(0, info.end_time, ...data.metrics.map(({ timestamp }) => timestamp)),
    data: digests.length > 0 ? [...new Set(digests)].sort().join(' ').slice(0, 1000) : `run ${runId} names no dataset`,
    artifacts: info.artifact_uri.startsWith('mlflow-artifacts:/') ? artifactPath(what, info.artifact_uri) : null,
  };
}

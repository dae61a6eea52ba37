import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, loadavg, totalmem } from 'node:os';
import { dirname } from 'node:path';
import type { Configuration } from '../../workers/configuration/configuration';
import type { Context } from '../context';
import { loadWhole } from '../commands/whole-configuration';
import { sizeText } from '../render/artifacts';
import { CliFailure } from '../failure';
import { artifactFindings } from './artifacts';
import { askHardware } from './hardware';
import { askLedger } from './ledger';
import { policyFindings } from './policy';
import { checkRouters } from './routers';
import { checkStores } from './stores';
import { fine, messageOf, unmeasured, warning, wrong, type Finding } from './finding';
import { checkCertificate } from './certificate';
import { checkDocker } from './docker';
import { checkTritons } from './triton';
import { checkHaproxy } from './haproxy';
import { checkMinimums } from './minimum';
import { checkRegistries } from './registry';
import { checkRunning } from './running';
import { splitAddress, whyTaken, whyUnreachable } from './network';

const oldestNode = [20, 19] as const;
const diskWarnBytes = 2 * 1024 ** 3;
const diskWrongBytes = 256 * 1024 ** 2;

export function checkMachine(): Promise<Finding[]> {
  return Promise.resolve([nodeVersion(process.versions.node), procIsThere(existsSync('/proc/self/stat')), cores()]);
}

export function nodeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [wantedMajor, wantedMinor] = oldestNode;
  const enough = major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
  return enough
    ? fine('Node', version)
    : wrong(
        'Node',
        `found ${version}, expected at least ${wantedMajor}.${wantedMinor}`,
        'install a newer Node and start lastgood with it',
      );
}

export function procIsThere(there: boolean): Finding {
  return there
    ? fine('/proc', 'readable: processes are told apart by pid, start time and nonce')
    : wrong(
        '/proc',
        'is not there: lastgood could not tell its own processes from foreign ones',
        'serve with runtime: external on this machine, or run on Linux with /proc mounted',
      );
}

function cores(): Finding {
  const count = availableParallelism();
  const said = `${count} cores, ${sizeText(totalmem())} of memory`;
  return count >= 2
    ? fine('machine', said)
    : warning('machine', said, 'with one core gateway and controller share it: latencies will suffer');
}

/** Everything that needs the configuration; without one that is said, and is not wrong by itself. */
export async function checkConfiguration(context: Context, file: string, there: boolean): Promise<Finding[]> {
  if (!there)
    return [
      unmeasured(
        'configuration',
        `${file} is not there: ports, disk and Temporal were not looked at`,
        'lastgood init --url http://HOST:PORT, or --config FILE',
      ),
    ];
  let configuration: Configuration;
  try {
    configuration = await loadWhole(context);
  } catch (error) {
    if (error instanceof CliFailure) return [wrong('configuration', error.what, 'lastgood validate')];
    throw error;
  }
  const { readEnvironment } = await import('../../workers/environment');
  const running = await controllerAnswers(context);
  return [
    fine('configuration', configuration.file),
    ...dataDirectory(configuration.dataDir),
    running
      ? fine('controller', 'answers')
      : unmeasured('controller', 'does not answer', `lastgood up --config ${configuration.file}`),
    ...(running ? await checkRunning(context, configuration) : []),
    ...(await ports(configuration, running)),
    ...(await checkHaproxy(configuration)),
    ...(await checkRouters(configuration)),
    ...policyFindings(configuration),
    ...(await artifacts(configuration)),
    ...(await askLedger(configuration, readEnvironment())),
    ...(await checkStores(configuration, readEnvironment())),
    ...severalServices(configuration),
    ...(await Promise.all(configuration.services.map((each) => checkCertificate(each, Date.now())))).flat(),
    ...(await Promise.all(configuration.services.map(askHardware))).flat(),
    ...(await checkMinimums(configuration)),
    ...(await checkRegistries(configuration)),
    ...(await checkDocker(configuration)),
    ...(await checkTritons(configuration)),
    ...(await temporal(configuration)),
  ];
}

/** A key that cannot be read is one of several findings here, and no reason to look no further. */
async function artifacts(configuration: Configuration): Promise<Finding[]> {
  try {
    return await artifactFindings(configuration);
  } catch (error) {
    return [wrong('artifacts.signature', messageOf(error), 'put the key there, or correct artifacts.signature.keys')];
  }
}

async function controllerAnswers(context: Context): Promise<boolean> {
  try {
    await context.client().services();
    return true;
  } catch (error) {
    if (error instanceof CliFailure) return false;
    throw error;
  }
}

function dataDirectory(dataDir: string): Finding[] {
  let place = dataDir;
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place);
  try {
    accessSync(place, constants.W_OK);
  } catch (error) {
    return [wrong('data directory', `${place}: ${messageOf(error)}`, 'let this user write there, or set dataDir')];
  }
  const { bavail, bsize } = statfsSync(place);
  const free = bavail * bsize;
  const said = `${sizeText(free)} free for ${dataDir}`;
  const remedy = 'make room (lastgood artifacts prune --dry-run shows what may go), or set dataDir to another disk';
  if (free < diskWrongBytes) return [wrong('disk', said, remedy)];
  return [free < diskWarnBytes ? warning('disk', said, remedy) : fine('disk', said)];
}

async function ports(configuration: Configuration, running: boolean): Promise<Finding[]> {
  const wanted = [
    ['api.listen', configuration.api.listen],
    ['gateway.metrics', configuration.gateway.metrics],
    ...(configuration.gateway.control === null
      ? []
      : [['gateway.control.listen', configuration.gateway.control.listen] as const]),
    // Those of HAProxy are looked at with it.
    ...(configuration.router.kind === 'haproxy' ? [] : configuration.services).map(
      (service) => [`services.${service.name}.listen`, service.listen] as const,
    ),
  ] as const;
  return await Promise.all(
    wanted.map(async ([name, { host, port }]) => {
      const what = `port ${host}:${port} (${name})`;
      const why = await whyTaken(host, port);
      if (why === null)
        return running && port !== 0
          ? warning(what, 'the controller runs, but nobody listens here', 'see the logs in the data directory')
          : fine(what, port === 0 ? 'any free one' : 'free');
      if (running && why === 'EADDRINUSE') return fine(what, 'in use, by the lastgood that runs');
      return wrong(
        what,
        why === 'EADDRINUSE' ? 'in use by something else' : why,
        `set ${name} to another port, or end what listens there`,
      );
    }),
  );
}

function severalServices({ services, temporal: { address } }: Configuration): Finding[] {
  const acting = services.filter(({ policy }) => policy.mode !== 'observe');
  if (address !== null || acting.length < 2) return [];
  return [
    warning(
      'embedded `up`',
      `${acting.length} services act on one supervisor with Temporal's dev server: it is for trying and for one machine`,
      'run the workers against a Temporal cluster (temporal.address) and PostgreSQL',
    ),
  ];
}

/** The chain that an emergency is made of; measured where a server runs. */
async function temporal(configuration: Configuration): Promise<Finding[]> {
  const { readEnvironment } = await import('../../workers/environment');
  const { runPaths } = await import('../../workers/embedded/paths');
  const address =
    readEnvironment().temporalAddress ??
    configuration.temporal.address ??
    embeddedAddress(runPaths(configuration.dataDir).temporalRecord);
  if (address === null)
    return [
      unmeasured(
        'Temporal',
        'none is configured and `lastgood up` does not run: the chain of activities is not measured',
      ),
    ];
  const { host, port } = splitAddress(address);
  const why = await whyUnreachable(host, port);
  if (why !== null)
    return [
      wrong('Temporal', `${address}: ${why}`, 'start the server; lastgood up starts its own where none is configured'),
    ];
  const { measureChain, judgeChain } = await import('./temporal-chain');
  try {
    return [
      fine('Temporal', `${address} answers`),
      judgeChain(await measureChain(configuration, address), (loadavg()[0] ?? 0) / availableParallelism()),
    ];
  } catch (error) {
    return [
      fine('Temporal', `${address} answers`),
      unmeasured(
        'chain of activities',
        `could not be measured: ${messageOf(error)}`,
        `see that namespace ${configuration.temporal.namespace} is there`,
      ),
    ];
  }
}

function embeddedAddress(recordFile: string): string | null {
  try {
    const record = JSON.parse(readFileSync(recordFile, 'utf8')) as { server?: { address?: unknown } | null };
    const address = record.server?.address;
    return typeof address === 'string' ? address : null;
  } catch {
    // No record: no embedded server was ever started here.
    return null;
  }
}

import type { Configuration } from '../../workers/configuration/configuration';
import type { HaproxyInspection } from '../../workers/router';
import { fine, unmeasured, warning, wrong, type Finding } from './finding';
import { whyUnreachable } from './network';

/** Nothing where the gateway routes. */
export async function checkHaproxy(configuration: Configuration): Promise<Finding[]> {
  const { haproxyOptions, inspectHaproxy } = await import('../../workers/router');
  const options = haproxyOptions(configuration);
  if (options === null) return [];
  const inspection = await inspectHaproxy(options);
  const doors = await Promise.all(
    configuration.services.map(async ({ name, listen: { host, port } }) => {
      const what = `${name}: entrance ${host}:${port}`;
      const why = await whyUnreachable(host, port);
      return why === null
        ? fine(what, 'HAProxy accepts connections')
        : wrong(
            what,
            why,
            `start HAProxy: haproxy -W -S ${options.masterSocket},mode,600 -f ${inspection.configuration.file}`,
          );
    }),
  );
  return [...judgeHaproxy(inspection, options.masterSocket), ...doors];
}

/** For `validate`: that its master answers; how it is installed is for `doctor`. */
export async function askHaproxySocket(configuration: Configuration): Promise<Finding[]> {
  const { haproxyOptions, inspectHaproxy } = await import('../../workers/router');
  const options = haproxyOptions(configuration);
  if (options === null) return [];
  return judgeHaproxy(await inspectHaproxy(options), options.masterSocket).filter(({ what }) => what === 'HAProxy');
}

/** The release that the adapter was tried with. */
const triedRelease = '2.6';

export function judgeHaproxy(seen: HaproxyInspection, masterSocket: string): Finding[] {
  const { directory, running, unreachable, routes } = seen;
  const findings = [configurationFinding(seen.configuration)];
  if (directory.openToOthers)
    findings.push(
      wrong(
        'HAProxy directory',
        `${directory.path}: every user may write there, and so move the traffic`,
        `chmod o-w ${directory.path}`,
      ),
    );
  if (running === null) {
    findings.push(
      wrong(
        'HAProxy',
        unreachable ?? 'does not answer',
        `start it with a master process: haproxy -W -S ${masterSocket},mode,600 -f ${seen.configuration.file}; see router.masterSocket`,
      ),
    );
    return findings;
  }
  findings.push(
    running.version.startsWith(`${triedRelease}.`)
      ? fine('HAProxy', `${running.version} answers`)
      : warning(
          'HAProxy',
          `${running.version} answers; tried with ${triedRelease}`,
          `use ${triedRelease}, or run the tests against yours`,
        ),
  );
  if (running.left > 0)
    findings.push(
      warning(
        'HAProxy workers',
        `${running.left} of before a reload still finish what they began`,
        'nothing to do: they end by themselves, after 30 minutes at the latest; keep reloads apart',
      ),
    );
  for (const { service, problem } of routes) {
    findings.push(
      problem === null
        ? fine(`${service}: route in HAProxy`, 'the one that was written down last')
        : wrong(
            `${service}: route in HAProxy`,
            problem,
            'lastgood status; the controller applies the declared route again',
          ),
    );
  }
  findings.push(
    unmeasured(
      'telemetry of HAProxy',
      'counts by status only: no latency, class, score, label, sample or single answer; its log has the answer record',
    ),
  );
  return findings;
}

function configurationFinding(found: HaproxyInspection['configuration']): Finding {
  const what = 'HAProxy configuration';
  const remedy = 'lastgood haproxy config --write, then reload HAProxy';
  switch (found.state) {
    case 'as expected':
      return fine(what, `${found.file} is what lastgood writes`);
    case 'missing':
      return wrong(what, `${found.file} is not there`, remedy);
    case 'unreadable':
      return wrong(what, `${found.file}: ${found.why}`, 'let this user read it');
    case 'different':
      return wrong(
        what,
        `${found.file}:${found.line}: found "${found.found.trim()}", expected "${found.expected.trim()}"`,
        remedy,
      );
  }
}

import type { Configuration, ServiceConfiguration } from '../../workers/configuration/configuration';
import { fine, messageOf, wrong, type Finding } from './finding';

/** Each Triton that the configuration names: whether it takes loads, and has the repository that is written here. */
export async function checkTritons(configuration: Configuration): Promise<Finding[]> {
  return (await Promise.all(configuration.services.map(askTritonOf))).flat();
}

/** Nothing for a service that another runtime serves. */
export async function askTritonOf(service: ServiceConfiguration): Promise<Finding[]> {
  const { name, serving } = service;
  if (serving.runtime !== 'triton') return [];
  const { tritonFacts } = await import('../../workers/triton-facts');
  const what = `${name}: Triton`;
  try {
    const { name: server, version, problems } = await tritonFacts(service, serving);
    const said = `${server} ${version} at ${serving.address}`;
    if (problems.length === 0)
      return [fine(what, `${said}; it takes loads, and its repository is ${serving.repository}`)];
    return problems.map(({ problem, remedy }) => wrong(what, `${said}: ${problem}`, remedy));
  } catch (error) {
    return [wrong(what, messageOf(error), 'start the server, or correct serving.address')];
  }
}

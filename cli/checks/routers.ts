import { readFileSync } from 'node:fs';
import type { Configuration } from '../../workers/configuration/configuration';
import type { OtherRouter } from '../../workers/configuration/router-schema';
import { fine, messageOf, warning, wrong, type Finding } from './finding';

const notAsked = warning(
  'router.others',
  'there is no gateway.control: the other gateways cannot ask this one for a newer route when they come back',
  'set gateway.control (listen, tokenFile) with your TLS proxy in front of it; docs/configuration.md, several routers',
);

/** Each router on another host, asked for the routes that it has; nothing where there is none. */
export async function checkRouters(configuration: Configuration): Promise<Finding[]> {
  const { control } = configuration.gateway;
  const { others } = configuration.router;
  return [
    ...(control === null && others.length > 0 ? [notAsked] : []),
    ...(control === null ? [] : tokenFindings('gateway.control', control.tokenFile)),
    ...(await Promise.all(others.map((other, index) => askOther(configuration, other, index)))),
  ];
}

async function askOther(configuration: Configuration, other: OtherRouter, index: number): Promise<Finding> {
  const what = `router ${other.name} at ${other.control.url}`;
  const key = `router.others[${index}]`;
  const [bad] = tokenFindings(key, other.control.tokenFile).filter(({ level }) => level === 'wrong');
  if (bad !== undefined) return bad;
  try {
    const { openOtherRouter } = await import('../../workers/router');
    const router = openOtherRouter(configuration, other, index);
    try {
      const states = await Promise.all(configuration.services.map(({ name }) => router.read(name)));
      const epochs = states.map(({ service, record }) => `${service} epoch ${record?.epoch ?? 'none'}`);
      return fine(what, `answers: ${epochs.join(', ')}`);
    } finally {
      await router.close();
    }
  } catch (error) {
    return wrong(what, messageOf(error), `start lastgood on that host, or correct ${key}: control, tokenFile, caFile`);
  }
}

/** The gateway refuses a shorter one, and so every caller. */
function tokenFindings(key: string, file: string): Finding[] {
  const what = `${key}.tokenFile`;
  const remedy = `write it on every host that names it: head -c 32 /dev/urandom | base64 > ${file}; chmod 600 ${file}`;
  try {
    return readFileSync(file, 'utf8').trim() === '' ? [wrong(what, `${file} is empty`, remedy)] : [fine(what, file)];
  } catch (error) {
    return [wrong(what, messageOf(error), remedy)];
  }
}

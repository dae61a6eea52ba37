import { readFileSync } from 'node:fs';
import type { Configuration } from '../../workers/configuration/configuration';
import type { Environment } from '../../workers/environment';
import { fine, messageOf, wrong, type Finding } from './finding';

/** Every place outside that alerts go to, built as the controller does at its start; nothing is sent. */
export async function checkAlertTargets(configuration: Configuration, environment: Environment): Promise<Finding[]> {
  const { alertTargets } = await import('../../workers/alerts');
  return alertTargets(configuration, environment).map(({ key, host, tokenFile, open }) => {
    const what = `alerts to ${host} (${key})`;
    try {
      open();
      if (tokenFile !== null && readFileSync(tokenFile, 'utf8').trim() === '')
        return wrong(what, `${tokenFile} is empty`, 'write the token there, mode 0600');
    } catch (error) {
      return wrong(what, messageOf(error), `correct ${key}, or the file that it names (mode 0600)`);
    }
    return fine(what, 'its address and what signs it can be used; nothing was sent');
  });
}

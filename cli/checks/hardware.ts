import type { ServiceConfiguration } from '../../workers/configuration/configuration';
import type { ConfiguredExporter } from '../../workers/configuration/hardware-schema';
import { fine, messageOf, warning, wrong, type Finding } from './finding';

/** Two readings: what a processor did is the difference of its counters. */
const apartMs = 1_000;

/** Every exporter of a service's machines, asked as the controller does; what it does not tell is said. */
export async function askHardware({ name, hardware }: ServiceConfiguration): Promise<Finding[]> {
  return await Promise.all(hardware.map((exporter) => askExporter(name, exporter)));
}

async function askExporter(service: string, exporter: ConfiguredExporter): Promise<Finding> {
  const { machine, kind } = exporter;
  const what = `${service}: machine ${machine} (${kind})`;
  try {
    const { readerOf } = await import('../../workers/surroundings');
    const reader = readerOf(exporter);
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, apartMs));
    const { values } = await reader.read();
    const known = Object.entries(values).flatMap(([metric, value]) =>
      value === null ? [] : [`${metric} ${Math.round(value * 100) / 100}`],
    );
    const missing = Object.keys(values).filter((metric) => values[metric] === null);
    if (missing.length === 0) return fine(what, known.join(', '));
    return warning(
      what,
      `${known.join(', ')}; it does not tell ${missing.join(', ')}`,
      kind === 'node'
        ? `these stay unmeasured; disk is of the mount point ${exporter.mountpoint}: see services.${service}.hardware.${machine}.node.mountpoint`
        : 'these stay unmeasured; dcgm-exporter exports what its list of counters names',
    );
  } catch (error) {
    return wrong(what, messageOf(error), `correct services.${service}.hardware.${machine}, or start its exporter`);
  }
}

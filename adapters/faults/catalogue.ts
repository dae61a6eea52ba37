import type { Faults, PreparedFault } from '../../activities/ports';
import type { FaultKind } from '../../domain/chaos/experiment';
import { FaultRefused } from './errors';
import type { FaultMaker, FaultMakers } from './local/fault-maker';

/** The faults that can be made here; any other kind is refused with the reason. */
export function faultCatalogue(
  makers: FaultMakers,
  notHere: Readonly<Partial<Record<FaultKind, string>>> = {},
): Faults {
  const makerOf = (kind: FaultKind): FaultMaker<FaultKind> => {
    const maker = makers[kind] as FaultMaker<FaultKind> | undefined;
    if (maker === undefined) throw new FaultRefused(`${kind}: ${notHere[kind] ?? 'it cannot be made here'}`);
    return maker;
  };
  return {
    prepare: async (service, spec) => await makerOf(spec.kind).prepare(service, spec),
    inject: async (fault: PreparedFault) => await makerOf(fault.kind).inject(fault),
    remove: async (fault: PreparedFault) => await makerOf(fault.kind).remove(fault),
  };
}

import { adapterPlans } from './adapters';
import { apiPlan, apiWirePlan } from './api';
import { artifactPlans } from './artifacts';
import { filePlans } from './files';
import { controlPlan, controlWirePlan, entrancePlan } from './gateway';
import { messagesPlan } from './messages';
import { rightsPlan } from './rights';
import type { SurfacePlan } from './surface';
import { textPlans } from './texts';
import { actsPlan, oidcPlan } from './tokens';

/** Every place where something comes in from outside. */
export const plans: readonly SurfacePlan[] = [
  ...filePlans,
  ...artifactPlans,
  apiPlan,
  apiWirePlan,
  rightsPlan,
  oidcPlan,
  actsPlan,
  messagesPlan,
  controlPlan,
  controlWirePlan,
  entrancePlan,
  ...adapterPlans,
  ...textPlans,
];

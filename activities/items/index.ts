import type { ItemsActivities } from '../../workflows/contract/items-activities';
import { guarded } from '../failures';
import { listItems, listPartlyHandled, type ItemsPorts } from './list-items';
import { treatItems } from './treat-items';

export type { ItemsPorts } from './list-items';

/** For the controller's worker (queue `lastgood-control`). */
export function itemsActivities(ports: ItemsPorts): ItemsActivities {
  return guarded<ItemsActivities>({
    listItems: listItems(ports),
    listPartlyHandled: listPartlyHandled(ports),
    treatItems: treatItems(ports),
  });
}

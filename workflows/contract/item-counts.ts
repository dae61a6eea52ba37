/** How items ended, in numbers and words; defined by the domain. */
export { countWords, NO_ITEMS, type ItemCounts } from '../../domain/items/treated';

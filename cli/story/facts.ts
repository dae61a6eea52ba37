import type { Facts } from '../types';

/** Careful reading of what an entry carries: entries of older releases may lack a fact. */
export function textOf(facts: Facts, name: string): string | null {
  const value = facts[name];
  return typeof value === 'string' ? value : null;
}

export function numberOf(facts: Facts, name: string): number | null {
  const value = facts[name];
  return typeof value === 'number' ? value : null;
}

export function listOf(facts: Facts, name: string): readonly string[] {
  const value = facts[name];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

export function recordOf(facts: Facts, name: string): Facts | null {
  const value = facts[name];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Facts) : null;
}

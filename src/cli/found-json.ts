// A layout that a search found, as a line of --json has it.
import { printLayout } from '../mesh/layout.ts';
import { tokenCosts } from '../plan/search/objective.ts';
import type { Found } from '../plan/search/search.ts';
import { predictionJson } from './prediction.ts';

export const foundJson = ({ scenario, prediction }: Found) => ({
  layout: printLayout(scenario.layout),
  microBatch: scenario.microBatch,
  ...predictionJson(scenario, prediction),
  ...tokenCosts(scenario, prediction),
});

// A layout that a search found, as a line of --json has it.
import { tokenCosts } from '../plan/search/objective.ts';
import type { Found } from '../plan/search/search.ts';
import { layoutJson, predictionJson } from './prediction.ts';

export const foundJson = ({ scenario, prediction }: Found) => ({
  ...layoutJson(scenario),
  ...predictionJson(scenario, prediction),
  ...tokenCosts(scenario, prediction),
});

// What is known of models, so that the next layout that needs it has it at once: kept as long as the model's configuration is.
import type { ModelConfig } from '../../model/config.ts';

/** What was made before by this key, or is made now. Keys of one kind of thing begin alike. */
export function remember<T>(config: ModelConfig, key: string, make: () => T): T {
  let ofModel = known.get(config);
  if (!ofModel) {
    ofModel = new Map();
    known.set(config, ofModel);
  }
  const found = ofModel.get(key);
  if (found !== undefined) return found as T;
  const made = make();
  ofModel.set(key, made);
  return made;
}

/** The same for many that have a long key in common: they are told apart by short ones. */
export function rememberIn<T>(config: ModelConfig, key: string): (short: string, make: () => T) => T {
  const map = remember(config, key, () => new Map<string, T>());
  return (short, make) => {
    const found = map.get(short);
    if (found !== undefined) return found;
    const made = make();
    map.set(short, made);
    return made;
  };
}

const known = new WeakMap<ModelConfig, Map<string, unknown>>();

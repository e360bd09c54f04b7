// Where a model comes from: a preset's name, a config.json, or a checkpoint directory.
import { existsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fail } from '../errors.ts';
import { maxBytes, readJson } from '../files/json-file.ts';
import type { ModelConfig } from '../model/config.ts';
import { parseModelConfig } from '../model/families.ts';
import { overrideConfig } from '../model/override.ts';
import { findPreset, namesToTry, nearNames } from '../model/presets.ts';
import { openCheckpoint } from './hf-directory.ts';

export interface ModelSource {
  /** What it was found by: a preset, a config.json or a directory; undefined for one that was made otherwise. */
  readonly name?: string;
  /** The changes made to its config.json. */
  readonly set?: readonly string[];
  readonly config: ModelConfig;
  /** A directory or file of weights; undefined: none, start from initial ones. */
  readonly weights?: string;
  /** A tokenizer.json beside the weights. */
  readonly tokenizerPath?: string;
}

/**
 * Reads what `--model` names; `set` changes its config.json, see overrideConfig.
 * @throws CHECKPOINT_MISSING, CONFIG_INVALID, FAMILY_UNSUPPORTED when it cannot be used, OPTION_INVALID for a change that cannot be
 */
export function findModel(name: string, set: readonly string[] = []): ModelSource {
  const preset = findPreset(name);
  if (preset) return { name, set, config: parseModelConfig(overrideConfig(preset, set), name) };
  if (!existsSync(name))
    fail('CHECKPOINT_MISSING', {
      path: name,
      problem: 'there is no such file or preset',
      fix: `use a config.json, a checkpoint directory, or the name of a model, such as ${nameLike(name)}`,
    });
  if (!statSync(name).isDirectory()) return { name, set, config: readConfig(name, set) };
  const checkpoint = openCheckpoint(name);
  checkpoint.close();
  const configPath = join(name, 'config.json');
  if (!existsSync(configPath))
    fail('CHECKPOINT_MISSING', {
      path: name,
      problem: 'it has no config.json',
      fix: "copy the model's config.json there",
    });
  return {
    name,
    set,
    config: readConfig(configPath, set),
    weights: name,
    ...(checkpoint.tokenizerPath ? { tokenizerPath: checkpoint.tokenizerPath } : {}),
  };
}

/** Of the names that there are those near it, or some to try. */
function nameLike(name: string): string {
  const near = nearNames(basename(name));
  return (near.length > 0 ? near : namesToTry).join(', ');
}

function readConfig(path: string, set: readonly string[]): ModelConfig {
  const json = readJson(path, maxBytes.config, ({ problem, fix }) =>
    fail('CONFIG_INVALID', { path, problem, fix: fix ?? 'give the config.json of a Hugging Face model' }),
  );
  return parseModelConfig(set.length > 0 ? overrideConfig(json, set) : json, path);
}

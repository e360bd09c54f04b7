// Where a model comes from: a preset's name, a config.json, or a checkpoint directory.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from '../errors.ts';
import { maxBytes, readJson } from '../files/json-file.ts';
import type { ModelConfig } from '../model/config.ts';
import { parseModelConfig } from '../model/families.ts';
import { presets } from '../model/presets.ts';
import { openCheckpoint } from './hf-directory.ts';

export interface ModelSource {
  readonly config: ModelConfig;
  /** A directory or file of weights; undefined: none, start from initial ones. */
  readonly weights?: string;
  /** A tokenizer.json beside the weights. */
  readonly tokenizerPath?: string;
}

/** Reads what `--model` names; CHECKPOINT_MISSING, CONFIG_INVALID or FAMILY_UNSUPPORTED when it cannot be used. */
export function findModel(name: string, _set: readonly string[] = []): ModelSource {
  const preset = presets[name];
  if (preset) return { config: parseModelConfig(preset, name) };
  if (!existsSync(name))
    fail('CHECKPOINT_MISSING', {
      path: name,
      problem: 'there is no such file or preset',
      fix: `use a config.json, a checkpoint directory, or one of ${Object.keys(presets).join(', ')}`,
    });
  if (!statSync(name).isDirectory()) return { config: readConfig(name) };
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
    config: readConfig(configPath),
    weights: name,
    ...(checkpoint.tokenizerPath ? { tokenizerPath: checkpoint.tokenizerPath } : {}),
  };
}

function readConfig(path: string): ModelConfig {
  const json = readJson(path, maxBytes.config, ({ problem, fix }) =>
    fail('CONFIG_INVALID', { path, problem, fix: fix ?? 'give the config.json of a Hugging Face model' }),
  );
  return parseModelConfig(json, path);
}

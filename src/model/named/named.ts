// A model by name: the config.json it has, or would have. Figures and nothing else, so that a name costs no more than its line.
export type Config = Readonly<Record<string, unknown>>;
export type Named = Readonly<Record<string, Config>>;

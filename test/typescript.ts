// How programs that tests start are run from TypeScript: options of Node, before the program.
export const typescript = ['--import', new URL('./typescript.mjs', import.meta.url).href] as const;

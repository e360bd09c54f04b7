// Types of the asciichart package (it brings none): only what plot.ts uses.
declare module 'asciichart' {
  interface PlotConfig {
    readonly min: number;
    readonly max: number;
    readonly height: number;
    readonly symbols: readonly string[];
    readonly format: (value: number) => string;
  }
  const asciichart: { readonly plot: (series: readonly number[], config: PlotConfig) => string };
  export default asciichart;
}

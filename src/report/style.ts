// How a page looks: in light and dark, on a phone and on a wide screen. Colours are Okabe and Ito's, told apart by all eyes.
import { html } from './html.ts';

export const style = html`<style>
:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #1b1d22; --soft: #5b606b; --line: #d7dae0; --raised: #f5f6f8;
  --blue: #0072b2; --red: #d55e00; --green: #009e73; --orange: #e69f00; --yellow: #e0d32f;
  --pink: #cc79a7; --sky: #56b4e9; --grey: #8a8f99; --empty: #dcdfe5; --within: #fff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14161a; --ink: #e8eaee; --soft: #a3a9b5; --line: #343841; --raised: #1d2026;
    --blue: #3d9ad6; --red: #ea7a2a; --green: #22b78c; --orange: #eeb02a; --yellow: #f0e442;
    --pink: #d992b8; --sky: #84caf2; --grey: #868c98; --empty: #555c69; --within: #0b0c0e;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1rem 3rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, 'Segoe UI', sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
p { margin: .5rem 0; max-width: 48rem; overflow-wrap: anywhere; }
code { font: .9em ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.best { font-size: 1.1rem; }
.note, footer, .axis { color: var(--soft); font-size: .875rem; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .75rem; }
dl { margin: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .5rem 1.5rem; }
dt { color: var(--soft); font-size: .875rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.figures { grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 1rem 0; max-width: 56rem; }
.figures div { background: var(--raised); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.figures dd { font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; }
dl.rules { display: block; }
.rules div { margin: .6rem 0; max-width: 48rem; }
.rules dt { font-size: 1rem; }
.rules b { color: var(--ink); font-weight: 600; }
.wide { overflow-x: auto; }
.wide:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .9rem; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .75rem .3rem 0; text-align: right; vertical-align: top; white-space: nowrap; }
thead th { color: var(--soft); font-weight: 500; border-bottom: 1px solid var(--line); vertical-align: bottom; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
tbody th { font-weight: 500; }
.words { text-align: left; }
thead th { white-space: normal; min-width: 3.5rem; }
td.words { white-space: normal; min-width: 14rem; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; list-style: none; margin: .5rem 0; padding: 0; font-size: .875rem; }
.swatch { display: inline-block; width: .85em; height: .85em; margin-right: .4em; border-radius: .15em; vertical-align: -.05em; background: var(--hue); }
.swatch.limit, .swatch.dashed { height: 0; width: 1.4em; border-top: 2px dashed var(--hue, var(--ink)); background: none; vertical-align: .25em; border-radius: 0; }
.swatch.none { border: 1px solid var(--line); background: var(--raised); }
.blue { --hue: var(--blue); } .red { --hue: var(--red); } .green { --hue: var(--green); } .orange { --hue: var(--orange); }
.yellow { --hue: var(--yellow); } .pink { --hue: var(--pink); } .sky { --hue: var(--sky); } .grey { --hue: var(--grey); }
.empty { --hue: var(--empty); }
.bar { margin: .6rem 0; }
.bar p { display: flex; justify-content: space-between; gap: 1rem; margin: 0; max-width: none; font-size: .9rem; }
.bar span { overflow-wrap: anywhere; min-width: 0; }
.bar b { white-space: nowrap; font-weight: 600; }
.bar svg { background: var(--raised); border-radius: .2rem; }
svg { display: block; overflow: visible; }
.bar svg { overflow: hidden; }
svg text { fill: var(--soft); font-size: 12px; }
svg .middle { text-anchor: middle; } svg .right { text-anchor: end; }
rect, circle { fill: var(--hue); }
.bar rect { stroke: var(--paper); stroke-width: 1; }
line.limit { stroke: var(--ink); stroke-width: 2; stroke-dasharray: 4 3; }
.grid { stroke: var(--line); stroke-width: 1; }
.stroke { stroke: var(--hue); stroke-width: 2; } .dashes { stroke-dasharray: 5 4; }
circle { stroke: var(--paper); stroke-width: 1; }
.axis { margin: .5rem 0 0; }
.plot { max-width: 46rem; overflow: hidden; }
.plot text { font-variant-numeric: tabular-nums; }
.timeline { display: flex; }
.timeline .wide { flex: 1; min-width: 0; background: var(--raised); }
.timeline svg { flex: none; }
.work { stroke: var(--paper); stroke-width: .75; }
.pale { fill: color-mix(in srgb, var(--hue) 62%, var(--paper)); }
svg text.within { fill: var(--within); font-size: 11px; }
svg text.on-pale { fill: var(--ink); }
</style>`;

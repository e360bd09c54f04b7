// Releases what a rank made and did not release; ONNX Runtime is loaded only if there is something.
import { Holdings } from './holdings.ts';

/** `holdings`: the rank's list. Its thread must have ended, or be the caller's. */
export async function releaseLeftOver(holdings: SharedArrayBuffer): Promise<void> {
  const list = new Holdings(holdings);
  const left = list.all();
  if (left.length === 0) return;
  const { makerOn } = await import('./api.ts');
  const { release } = makerOn(list);
  for (const held of left) release(held);
}

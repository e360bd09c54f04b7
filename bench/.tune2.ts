import { Worker, isMainThread, workerData } from 'node:worker_threads';
import { createThreadsWorld } from '../src/runtime/transport/threads/world-state.ts';
import { connectThreads } from '../src/runtime/transport/threads/connect.ts';
const group = { axis: 'tp' as const, ranks: [0, 1] };
if (isMainThread) {
  const shared = createThreadsWorld({ size: 2, groups: [group], channels: [{from:0,to:1,capacityBytes:1<<20},{from:1,to:0,capacityBytes:1<<20}], timeoutSeconds: 5 });
  for (let r = 0; r < 2; r++) new Worker(new URL('./.boot.mjs', import.meta.url), { workerData: { shared, r, module: import.meta.url } });
} else {
  const { shared, r } = workerData;
  const t = connectThreads(shared, r);
  const median = (n: number, inner: number, f: () => void) => {
    const times: number[] = [];
    for (let k = 0; k < n + 20; k++) { t.barrier(group, 'b'); const s = performance.now(); for (let i = 0; i < inner; i++) f(); if (k >= 20) times.push((performance.now() - s) * 1000 / inner); }
    times.sort((a, b) => a - b); return times[n >> 1]!.toFixed(2)+' min '+times[0]!.toFixed(2);
  };
  const bar = median(200, 100, () => t.barrier(group, 'b'));
  if (!r) console.log('barrier', bar);
  for (const bytes of [64, 1024, 4096, 16384, 65536, 262144, 1 << 20, 4 << 20, 16 << 20]) {
    const x = new Float32Array(bytes / 4);
    const m = median(bytes < 1e6 ? 200 : 40, bytes < 100000 ? 50 : 2, () => t.allReduce(group, x, 'sum', 's'));
    if (!r) console.log(bytes, m);
  }
  for (const bytes of [64, 16384, 1<<20]) { const x=new Float32Array(bytes/4);
   const m = median(100,10,()=>{ if(r){t.send(0,x,'a');t.recv(0,x,'b');}else{t.recv(1,x,'b');t.send(1,x,'a');} }); if(!r)console.log('pingpong',bytes,m); }
}

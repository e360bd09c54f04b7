// Hosts of nodes as their makers sell them: two sockets with all memory channels filled, unless said otherwise.
import type { Host } from '../host.ts';

const gib = 2 ** 30;

const host = (memory: number, channels: number, megatransfers: number, devices: number, source: string): Host => ({
  memoryBytes: memory * gib,
  // A channel is 8 bytes wide.
  memoryBytesPerSecond: channels * megatransfers * 1e6 * 8,
  devices,
  source,
});

export const hosts = {
  dgx1: host(512, 8, 2400, 8, 'NVIDIA DGX-1 data sheet: two Xeon E5-2698 v4, 512 GB'),
  dgxA100: host(2048, 16, 3200, 8, 'NVIDIA DGX A100 data sheet: two EPYC 7742, 2 TB with devices of 80 GB'),
  dgxA100of40: host(1024, 16, 3200, 8, 'NVIDIA DGX A100 data sheet: two EPYC 7742, 1 TB with devices of 40 GB'),
  dgxH100: host(2048, 16, 4800, 8, 'NVIDIA DGX H100 data sheet: two Xeon 8480C, 2 TB'),
  dgxB200: host(2048, 16, 5600, 8, 'NVIDIA DGX B200 data sheet: two Xeon 8570, 2 TB'),
  dgxB300: host(2048, 16, 6400, 8, 'NVIDIA DGX B300 data sheet: two Xeon 6776P, 2 TB'),
  /** One Grace for two devices. */
  grace: {
    memoryBytes: 480e9,
    memoryBytesPerSecond: 512e9,
    devices: 2,
    source: 'NVIDIA GB200 NVL72 data sheet: up to 17 TB of LPDDR5X, up to 18.4 TB/s, over 36 Grace',
  },
} as const satisfies Readonly<Record<string, Host>>;

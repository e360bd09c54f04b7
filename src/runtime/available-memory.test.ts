// What a process may take: this machine's figure, and limits as the kernel writes them.
import { spawnSync } from 'node:child_process';
import { totalmem } from 'node:os';
import { expect, test } from 'vitest';
import { typescript } from '../../test/typescript.ts';
import { availableMemory, parseLimits } from './available-memory.ts';

const limits = (
  space: string,
  data: string,
) => `Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max data size             ${data}            unlimited            bytes     
Max resident set          1000                 unlimited            bytes     
Max address space         ${space}           unlimited            bytes     
`;

test('the smaller soft limit counts', () => {
  expect(parseLimits(limits('unlimited', 'unlimited'))).toBe(Number.POSITIVE_INFINITY);
  expect(parseLimits(limits('4096000', 'unlimited'))).toBe(4096000);
  expect(parseLimits(limits('4096000', '2048000'))).toBe(2048000);
});

test('this machine has some, and no more than it has in all', () => {
  expect(availableMemory()).toBeGreaterThan(2 ** 26);
  expect(availableMemory()).toBeLessThanOrEqual(totalmem() + process.memoryUsage.rss());
});

test.runIf(process.platform === 'linux')('a shell that limits its memory is believed', () => {
  const module = new URL('./available-memory.ts', import.meta.url).href;
  const script = `import('${module}').then(({ availableMemory }) => console.log(availableMemory()))`;
  // 600 GB: Node reserves far more addresses than it uses.
  const { stdout } = spawnSync('sh', ['-c', `ulimit -d 3000000; exec node ${typescript.join(' ')} -e "${script}"`], {
    encoding: 'utf8',
  });
  expect(Number(stdout)).toBe(3_000_000 * 1024);
});

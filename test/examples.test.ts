import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('the first example prints one layer as the program of one rank, and of one of two', () => {
  const output = execFileSync(process.execPath, ['--import', 'tsx', 'examples/hello.ts'], { encoding: 'utf8' });
  const [one, two] = output.split('On each of two:');
  expect(one).not.toContain('allReduce');
  expect(two).toContain('[1, 4, 8] {tp:I} = allReduce(%7, axes=tp, reduce=sum, to=I)');
});

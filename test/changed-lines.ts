// Two texts of the same lines but for some: those, in place of a second text that says most of the first again.
import { expect } from 'vitest';

export function changedLines(before: string, after: string): string {
  const [olds, news] = [before.split('\n'), after.split('\n')];
  expect(news.length).toBe(olds.length);
  return news.filter((line, at) => line !== olds[at]).join('\n');
}

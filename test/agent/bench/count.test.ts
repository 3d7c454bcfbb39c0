import { describe, expect, it } from 'vitest';
import { countLost, lostOf } from '../../../agent/bench/count.ts';

const at = (camera: string, sequence: number, ms: number, state: 'completed' | 'failed' = 'completed') => ({
  camera,
  sequence,
  capturedAt: new Date(1_700_000_000_000 + ms).toISOString(),
  state,
});
const pace = { everyMs: 200, seconds: 1 };

describe('parts that are lost', () => {
  it('are none if each arrived when it was due, within a frame', () => {
    const results = [at('a', 1, 0), at('b', 7, 30), at('a', 2, 240), at('b', 8, 230), at('a', 3, 400)];
    expect(lostOf(countLost(results, ['a', 'b'], pace))).toBe(0);
  });

  it('are those skipped between two captures of the same camera', () => {
    const results = [at('a', 1, 0), at('b', 1, 100), at('a', 2, 600), at('b', 2, 300)];
    expect(countLost(results, ['a', 'b'], pace)).toEqual({ skipped: 2, gaps: 0, failed: 0 });
  });

  it('are missing numbers and parts that were not judged', () => {
    const results = [at('a', 1, 0), at('a', 3, 200), at('a', 4, 400, 'failed')];
    expect(countLost(results, ['a'], pace)).toEqual({ skipped: 0, gaps: 1, failed: 1 });
  });

  it('are all parts of a camera that sent none', () => {
    expect(countLost([at('a', 1, 0)], ['a', 'b'], pace)).toEqual({ skipped: 5, gaps: 0, failed: 0 });
  });
});

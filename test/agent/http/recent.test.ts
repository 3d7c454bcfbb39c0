import sharp from 'sharp';
import { expect, it } from 'vitest';
import { createRecent } from '../../../agent/http/recent.ts';
import { result } from '../../rigs/publisher.ts';
import { frameOf } from '../../rigs/station.ts';

it('keeps the newest images within its memory, and more of them after encoding', async () => {
  const one = result(1);
  const frame = await frameOf(one);
  const recent = createRecent({ pictureBytes: frame.image.data.byteLength * 3 });
  const ids: string[] = [];
  const add = (sequence: number) => {
    const next = result(sequence);
    ids.push(next.resultId);
    recent.add(next, { frame });
  };
  const kept = async () => {
    const pictures = await Promise.all(ids.map((id) => recent.picture(id)));
    return ids.filter((_, i) => pictures[i] !== undefined).length;
  };
  for (let i = 1; i <= 10; i++) add(i);
  expect(await recent.picture(ids[0]!)).toBeUndefined();
  expect(await kept()).toBe(3);
  add(11);
  add(12);
  expect(await kept()).toBe(5);
  const jpeg = await recent.picture(ids.at(-1)!);
  expect((await sharp(jpeg).metadata()).format).toBe('jpeg');
  expect(await recent.picture(ids.at(-1)!)).toBe(jpeg);
});

it('counts by verdict, including results that were removed', () => {
  const recent = createRecent({ resultsPerCamera: 5 });
  for (let i = 1; i <= 20; i++) recent.add(result(i, { verdict: i % 2 ? 'pass' : 'fail' }));
  expect(recent.counts('top')).toMatchObject({ pass: 10, fail: 10, uncertain: 0, judged: 20 });
  expect(recent.results({ camera: 'top', limit: 100 }).map((r) => r.sequence)).toEqual([20, 19, 18, 17, 16]);
  expect(recent.counts('nobody')).toEqual({ pass: 0, fail: 0, uncertain: 0, judged: 0, judgedSince: null });
});

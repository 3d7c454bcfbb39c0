import { expect, it } from 'vitest';
import { scrub } from '../../../agent/camera/address.ts';
import { deliveredSize, regionPixels } from '../../../agent/camera/geometry.ts';

it('scrubs messages of a decoder', () => {
  expect(scrub('rtsp://u@h:554/a@b: gone')).toBe('rtsp://h:554/a@b: gone');
  expect(scrub('rtsp://h/a@b')).toBe('rtsp://h/a@b');
  expect(scrub("cannot open 'rtsp://u:p%40@h/x': no", ['p@'])).toBe("cannot open 'rtsp://h/x': no");
  expect(scrub('rtsp://h/live?user=u&password=geheim&channel=1: refused')).toBe(
    'rtsp://h/live?user=u&password=***&channel=1: refused',
  );
  expect(scrub('auth se cret and se%20cret', ['se cret'])).toBe('auth *** and ***');
});

it('converts a region to pixels', () => {
  const picture = { width: 1920, height: 1080 };
  expect(regionPixels({ x: 0, y: 0, width: 1, height: 1 }, { width: 101, height: 99 }, true)).toEqual({
    x: 0,
    y: 0,
    width: 101,
    height: 99,
  });
  expect(regionPixels({ x: 0.1001, y: 0.5, width: 0.5, height: 0.5 }, picture, true)).toEqual({
    x: 192,
    y: 540,
    width: 960,
    height: 540,
  });
  expect(() => regionPixels({ x: 0.5, y: 0, width: 0.003, height: 1 }, picture, true)).toThrow(
    /6 × 1080 pixels/,
  );
  expect(deliveredSize(picture, 320)).toEqual({ width: 569, height: 320 });
  expect(deliveredSize({ width: 300, height: 2_000 }, 320)).toEqual({ width: 300, height: 2_000 });
});

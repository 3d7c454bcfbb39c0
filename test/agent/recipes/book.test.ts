import { expect, it } from 'vitest';
import { openBook } from '../../../agent/recipes/book.ts';
import { configSchema } from '../../../config/schema.ts';

const book = openBook(
  configSchema.parse({
    station: 's',
    cameras: { top: { url: 'rtsp://h/a', region: { width: 0.5 } }, side: { url: 'rtsp://h/b' } },
    recipes: {
      bolts: {
        description: 'M8 bolts',
        cameras: { top: { region: { x: 0.5, width: 0.5 } } },
        head: '2026-11-23.2',
        thresholds: { pass: 0.9 },
      },
      nuts: { thresholds: { fail: 0.5 } },
      rings: { thresholds: { fail: 0.5, failByLabel: { crack: 0.2 } } },
    },
  }),
);
const own = { pass: 0.7, fail: 0.6, failByLabel: { crack: 0.3 } };

it('the default always exists and changes nothing', () => {
  expect(book.names).toEqual(['default', 'bolts', 'nuts', 'rings']);
  expect(book.head('default')).toBeUndefined();
  expect(book.thresholds('default', own)).toEqual(own);
  expect(book.region('default', 'top')).toEqual({ x: 0, y: 0, width: 0.5, height: 1 });
});

it('a recipe changes only its own settings', () => {
  expect(book.head('bolts')).toBe('2026-11-23.2');
  expect(book.head('nuts')).toBeUndefined();
  expect(book.region('bolts', 'top')).toEqual({ x: 0.5, y: 0, width: 0.5, height: 1 });
  expect(book.region('bolts', 'side')).toEqual(book.region('default', 'side'));
  expect(book.thresholds('bolts', own)).toEqual({ ...own, pass: 0.9 });
});

it('a fail threshold applies to every label except those with their own', () => {
  expect(book.thresholds('nuts', own)).toEqual({ pass: 0.7, fail: 0.5 });
  expect(book.thresholds('rings', own)).toEqual({ pass: 0.7, fail: 0.5, failByLabel: { crack: 0.2 } });
});

it.each(['bolt', 'constructor', '__proto__', ''])('there is no recipe %j', (name) => {
  expect(() => book.require(name)).toThrow(expect.objectContaining({ code: 'recipe-unknown' }));
  expect(() => book.require(name)).toThrow(
    expect.objectContaining({ remedy: 'use one of: default, bolts, nuts, rings' }),
  );
});

import { expect, it } from 'vitest';
import { appliesLive } from '../../agent/live-settings.ts';

it.each([
  'cameras.top.region',
  'cameras.top.region.x',
  'cameras.top.trigger.enter',
  'cameras.top.trigger.leave',
  'cameras.top.trigger.relearnAfterMs',
  'recipes.bolts.cameras.top',
  'recipes.bolts.cameras.top.region.width',
])('%s changes without a restart', (path) => expect(appliesLive(path)).toBe(true));

it.each([
  'cameras.top',
  'cameras.top.url',
  'cameras.top.trigger.kind',
  'cameras.top.trigger.everyMs',
  'cameras.region',
  'recipes.bolts',
  'recipes.bolts.thresholds.pass',
  'station',
])('%s needs a restart', (path) => expect(appliesLive(path)).toBe(false));

/** A week of parts for the line page: 4 % failed parts, 14 % in the last hours, two products, a stop, a change of model. */
import type { Result } from '../../../agent/publish/messages.ts';
import type { Limit, StationFacts } from '../../../agent/station.ts';
import type { Statistics } from '../../../agent/statistics/statistics.ts';
import { result } from '../../rigs/publisher.ts';

const hourMs = 3_600_000;
const defects = ['scratch', 'scratch', 'scratch', 'dent', 'dent', 'stain', 'missing thread'];

/** @param hours how far back it begins. @returns the number of parts */
export function addHistory(statistics: Pick<Statistics, 'add'>, hours = 7 * 24, now = Date.now()): number {
  // Lehmer's generator: the same parts each time.
  let state = 4_321;
  const random = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  let sequence = 0;
  for (let at = now - hours * hourMs; at < now; at += 120_000) {
    const hoursAgo = (now - at) / hourMs;
    // A break, and an hour with few parts.
    if (hoursAgo > 30 && hoursAgo < 34) continue;
    const isBad = random() < (hoursAgo < 3 ? 0.14 : 0.04);
    const isUncertain = !isBad && random() < 0.02;
    const label = isBad ? defects[Math.floor(random() * defects.length)]! : 'good';
    const verdict: Result['verdict'] = isBad ? 'fail' : isUncertain ? 'uncertain' : 'pass';
    const recipe = hoursAgo > 60 && hoursAgo < 80 ? 'm8-bolt' : 'default';
    statistics.add(result(++sequence, { verdict, label, recipe, publishedAt: new Date(at).toISOString() }));
  }
  return sequence;
}

export interface WatchedStation {
  limits: Limit[];
  facts: StationFacts;
}

export const watched = (): WatchedStation => ({
  limits: [],
  facts: { model: '2026-11-23.2', recipe: 'default', mode: 'inspection' },
});

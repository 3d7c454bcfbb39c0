import { percentile } from '../../agent/bench/figures.ts';
import type { Arrived } from '../../agent/bench/results.ts';
import { latencyOf } from '../../agent/bench/settle.ts';
import { stageNames } from '../../agent/publish/messages.ts';
import type { Row } from './harness.ts';

/**
 * Time of each stage from capture to verdict according to the results, then the time from verdict to subscriber, ms. @param
 * after name of the last stage
 */
export function stageTimes(arrived: readonly Arrived[], after: string): { what: string; values: number[] }[] {
  const stages = stageNames.map((name) => ({
    what: name as string,
    values: arrived.map(({ result }) => result.timingsMs[name] ?? 0),
  }));
  const rest = arrived.map((one) => latencyOf(one) - one.result.timingsMs.total);
  return [...stages, { what: after, values: rest }];
}

/** The same as rows, without stages of zero time. */
export function stageRows(arrived: readonly Arrived[], of: string): Row[] {
  return stageTimes(arrived, 'storing, publishing, broker, subscriber')
    .filter(({ values }) => values.some((value) => value > 0))
    .flatMap(({ what, values }) =>
      [50, 99].map((p) => ({
        what: `${of}: ${what}, p${p}`,
        figure: percentile(values, p / 100),
        unit: 'ms',
      })),
    );
}

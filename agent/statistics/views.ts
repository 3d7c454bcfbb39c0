/** Schemas of the statistics, with their types. The pages import these types. */
import { z } from 'zod';

const count = z.number().int().min(0);
const rate = z.number().min(0).max(1);
const time = z.string().describe('ISO 8601, UTC');

export const groupings = z.enum(['hour', 'shift', 'day', 'lot']);
export type Grouping = z.output<typeof groupings>;

const tally = {
  parts: count.describe('all parts with a result'),
  judged: count.describe('parts that a trained model judged: the sum of pass, fail and uncertain'),
  pass: count,
  fail: count,
  uncertain: count,
  untrained: count.describe('parts from while there was no trained model; in no rate'),
  unjudged: count.describe('parts that could not be judged for another reason; in no rate'),
  rate: rate.nullable().describe('fail divided by judged; null without a judged part'),
  interval: z
    .object({ low: rate, high: rate })
    .nullable()
    .describe('95 % confidence interval of the rate (Wilson)'),
};

const groupView = z.object({
  name: z.string().describe('of the shift, or the recipe of the lot; empty for hours and days'),
  from: time,
  to: time,
  running: z.boolean().describe('whether it has not ended yet'),
  ...tally,
  limits: z
    .object({ lower: rate, upper: rate })
    .nullable()
    .describe('control limits of the rate; null without a reference or a judged part'),
  outside: z
    .enum(['above', 'below'])
    .nullable()
    .describe('whether the rate is outside of its control limits, which chance alone hardly explains'),
});
export type GroupView = z.output<typeof groupView>;

export const statisticsView = z.object({
  by: groupings,
  from: time,
  to: time,
  timeZone: z.string().describe('of the shifts, days and hours'),
  since: time.nullable().describe('when counting began; null before the first part'),
  groups: z.array(groupView).describe('oldest first'),
  total: z.object(tally),
  reference: z
    .object({
      kind: z.enum(['before', 'shown']).describe('the week before `from`, or the time that is shown'),
      judged: count,
      fail: count,
      rate,
    })
    .nullable()
    .describe('where the centre line and the limits come from; null with fewer than 20 judged parts'),
  defects: z
    .array(z.object({ label: z.string(), count }))
    .describe('labels of the failed parts, most frequent first'),
  cameras: z.array(z.string()).describe('cameras with parts in this time'),
  recipes: z.array(z.string()),
  gaps: z
    .array(z.object({ camera: z.string(), from: time, to: time, atMost: count }))
    .describe('parts with a result that were not counted, because the agent was killed in between'),
});
export type StatisticsView = z.output<typeof statisticsView>;

export const changeKinds = z.enum(['start', 'model', 'recipe', 'config', 'mode']);
export const changeView = z.object({
  at: time,
  kind: changeKinds.describe('start: of the agent; config: settings that affect verdicts'),
  before: z.string().describe('empty if there was none'),
  after: z.string().describe('for config: the changed sections'),
});
export type ChangeView = z.output<typeof changeView>;

export const downtimeKinds = z.enum(['agent', 'camera', 'model', 'storage', 'broker', 'degraded']);
export const downtimeView = z.object({
  from: time,
  to: time,
  stopped: z.number().min(0).describe('time in which parts could not be judged, s; overlaps count once'),
  intervals: z
    .array(
      z.object({
        from: time,
        to: time.nullable().describe('null: it has not ended'),
        kind: downtimeKinds,
        cause: z.string().describe('such as `camera top`'),
        reason: z.string(),
        stops: z.boolean().describe('whether parts cannot be judged because of it'),
      }),
    )
    .describe('oldest first'),
});
export type DowntimeView = z.output<typeof downtimeView>;

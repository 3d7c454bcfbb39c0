import { availableParallelism } from 'node:os';
import { openBase } from '../../models/base.ts';
import { runBare } from './bare.ts';
import { type Benchmark, interleaved, median, type Row } from './harness.ts';
import { mapsCost } from './maps-cost.ts';
import { variantOf } from './variant.ts';

const rounds = 3;
const base = 'resnet50-embedded';

/** The embedded base in float, in 8 bits and in half precision, each with onnxruntime alone. */
export const precision: Benchmark = {
  name: 'precision',
  async run({ seconds, storage }) {
    const float = await openBase({ base, precision: 'fp32' });
    const int8 = await variantOf(base, 'int8', storage);
    const half = await variantOf(base, 'fp16', storage);
    const rows: Row[] = [
      {
        what: 'features in 8 bits: correlation with the float ones, other images',
        figure: int8.manifest.quantization!.correlation,
        unit: '',
        target: { atLeast: 0.99 },
      },
    ];
    for (const threads of new Set([1, availableParallelism()])) {
      const results = await interleaved(rounds, {
        float: () => runBare({ base: float, threads, options: 'agent', seconds }),
        int8: () => runBare({ base: int8, threads, options: 'agent', seconds }),
        half: () => runBare({ base: half, threads, options: 'agent', seconds }),
      });
      const of = (figure: (result: (typeof results)[number]) => number) => median(results.map(figure));
      const on = `${threads} thread${threads > 1 ? 's' : ''}`;
      rows.push(
        {
          what: `int8 / fp32, runs a second, ${on}`,
          figure: of((one) => one.int8.perSecond / one.float.perSecond),
          unit: '×',
          target: { atLeast: 2.5 },
        },
        {
          what: `fp32 / int8, CPU time of an inference, ${on}`,
          figure: of((one) => one.float.cpuMs / one.int8.cpuMs),
          unit: '×',
        },
        {
          what: `fp16 / fp32, runs a second, ${on} (a processor computes it in float)`,
          figure: of((one) => one.half.perSecond / one.float.perSecond),
          unit: '×',
        },
        ...(['float', 'int8', 'half'] as const).flatMap((key) => [
          {
            what: `${key}, one inference, ${on}`,
            figure: 1000 / of((one) => one[key].perSecond),
            unit: 'ms',
          },
          {
            what: `${key}, memory of the loop's process, ${on}`,
            figure: of((one) => one[key].pssMb),
            unit: 'MB',
          },
        ]),
      );
    }
    for (const [one, atMost] of [
      ['fp32', 1.1],
      ['int8', 1.15],
    ] as const) {
      rows.push({
        what: `${one} with the maps of stages 2 and 3 / without, CPU time of an inference, 1 thread`,
        figure: await mapsCost(base, one, storage),
        unit: '×',
        target: { atMost },
      });
    }
    return rows;
  },
};

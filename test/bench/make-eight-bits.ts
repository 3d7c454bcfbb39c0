/** `make-eight-bits.js BASE STORAGE`: quantizes an embedded base from drawn parts and keeps the variant. */
import { drawSamples } from '../../agent/demo/samples.ts';
import { openBase } from '../../models/base.ts';
import type { Image } from '../../models/image.ts';
import { quantizeBase } from '../../models/quantize/quantize.ts';
import { keepVariant } from '../../models/quantize/variants.ts';

const [base = '', storage = ''] = process.argv.slice(2);
const float = await openBase({ base, precision: 'fp32' });
const images: Image[] = [];
for await (const { image } of drawSamples({ perLabel: 6, seed: 1 })) images.push(image);
const made = await quantizeBase(
  float,
  images.map((image) => async () => image),
  { method: 'best', threads: 0, source: 'drawn parts', revision: null, onProgress: () => undefined },
);
const kept = await keepVariant(storage, made);
if (kept === undefined) throw new Error(`the gate refused it: ${made.report.reason}`);

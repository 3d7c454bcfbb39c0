/**
 * `make-variant.js BASE PRECISION STORAGE`: makes a variant of an embedded base from images of demo parts and stores it.
 */
import { drawSamples } from '../../agent/demo/samples.ts';
import { openBase } from '../../models/base.ts';
import type { Image } from '../../models/image.ts';
import { halveBase } from '../../models/quantize/half.ts';
import { quantizeBase } from '../../models/quantize/quantize.ts';
import { keepQuantized, keepVariant } from '../../models/quantize/variants.ts';

const [base = '', precision = '', storage = ''] = process.argv.slice(2);
const float = await openBase({ base, precision: 'fp32' });
const images: Image[] = [];
for await (const { image } of drawSamples({ perLabel: 6, seed: 1 })) images.push(image);
const pictures = images.map((image) => async () => image);
const options = { threads: 0, onProgress: () => undefined };

async function makeHalf(): Promise<string | undefined> {
  const made = await halveBase(float, pictures, options);
  if (made.refusal === undefined) await keepVariant(storage, made);
  return made.refusal;
}

async function makeEightBits(): Promise<string | undefined> {
  const source = { source: 'demo parts', revision: null };
  const made = await quantizeBase(float, pictures, { ...options, ...source, method: 'best' });
  return (await keepQuantized(storage, made)) === undefined ? made.report.reason : undefined;
}

const refusal = await (precision === 'fp16' ? makeHalf() : makeEightBits());
if (refusal !== undefined) throw new Error(`the variant was rejected: ${refusal}`);

/**
 * Trains the demo's head again if the embedded base has changed, or with `--force` (after the drawings changed):
 * `node dist/agent/demo/refresh-head.js`, part of `npm run generate`.
 */
import { modelSchema } from '../../config/model-schema.ts';
import { fitDemoHead, fitsBase, shippedHead } from './head.ts';

const model = modelSchema.parse({});
if (!process.argv.includes('--force') && (await fitsBase(shippedHead, model.base))) {
  console.log('demo head: up to date');
} else {
  await fitDemoHead(shippedHead, { model, onProgress: () => undefined });
  console.log('demo head: trained again');
}

/** `npm run generate`: kernel.ts from kernel.wat. With `--check` it only says whether it is fresh (exit 1 if not). */
import { readFileSync, writeFileSync } from 'node:fs';
import openWabt from 'wabt';

const at = (name) => new URL(name, import.meta.url);
const wabt = await openWabt();
const module = wabt.parseWat('kernel.wat', readFileSync(at('kernel.wat'), 'utf8'), { simd: true });
module.validate();
const base64 = Buffer.from(module.toBinary({}).buffer).toString('base64');
const lines = base64.match(/.{1,100}/g).map((line) => `  '${line}'`);
const text = `/** Assembled from kernel.wat by \`npm run generate\`: the WebAssembly module, base64. */\nexport const kernel =\n${lines.join(' +\n')};\n`;

const isFresh = readFileSync(at('kernel.ts'), { encoding: 'utf8', flag: 'a+' }) === text;
if (!process.argv.includes('--check')) writeFileSync(at('kernel.ts'), text);
else if (!isFresh) {
  console.error('models/prepare/kernel.ts is not what kernel.wat says: npm run generate');
  process.exitCode = 1;
}

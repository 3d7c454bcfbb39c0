/**
 * The inference server in its own process, which can be killed and frozen: `node … MODEL PORT`. Prints its port when it
 * serves.
 */
import { readFileSync } from 'node:fs';
import { openInferenceServer } from './inference-server.ts';

const [model, port] = process.argv.slice(2);
const server = await openInferenceServer({ model: readFileSync(model!), port: Number(port) });
process.stdout.write(`${server.port}\n`);

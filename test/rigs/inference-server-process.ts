/** The inference server as a process of its own, to be killed and frozen: `node … MODEL PORT`. Says its port once it serves. */
import { readFileSync } from 'node:fs';
import { openInferenceServer } from './inference-server.ts';

const [model, port] = process.argv.slice(2);
const server = await openInferenceServer({ model: readFileSync(model!), port: Number(port) });
process.stdout.write(`${server.port}\n`);

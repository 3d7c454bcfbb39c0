import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { writeTiny } from '../models/tiny-model.ts';
import { type AgentProcess, startAgent } from './plant-agent.ts';

export const fastCameras = ['top', 'side'];
/** Its base topic. */
export const fastBase = 'plant/line-1/press-1/qc';

/**
 * An agent with a very high rate of results: two cameras that play images, and a model of two kilobytes. Its storage
 * directory is `storage` in the folder. Every call starts it again.
 * @param everyMs interval between the parts of each camera
 * @param env added to its environment
 */
export async function fastAgent(
  folder: string,
  broker: string,
  everyMs: number,
  env: Readonly<Record<string, string>> = {},
): Promise<() => AgentProcess> {
  const pictures = join(folder, 'pictures');
  await mkdir(pictures);
  for (const [index, background] of ['#333', '#777', '#bbb'].entries()) {
    const picture = sharp({ create: { width: 32, height: 32, channels: 3, background } });
    await picture.png().toFile(join(pictures, `${index}.png`));
  }
  const camera = {
    url: `file:${pictures}`,
    trigger: { kind: 'continuous', everyMs },
    maxFps: 1000 / everyMs,
    freezeMs: 0,
  };
  const config = {
    station: 'press-1',
    cameras: Object.fromEntries(fastCameras.map((name) => [name, camera])),
    mqtt: { url: broker, topic: fastBase },
    http: { port: 0 },
    model: { base: await writeTiny(folder), provider: 'cpu', threads: 1 },
    storage: { directory: './storage' },
    log: { format: 'json' },
  };
  const file = join(folder, 'agent.yaml');
  await writeFile(file, JSON.stringify(config));
  return () => startAgent(['run', '--config', file], { cwd: folder, env });
}

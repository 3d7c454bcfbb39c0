/** What the benchmarks share: a folder, a broker, a trained head, cameras that cost their server little. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openBroker } from '../../agent/demo/broker.ts';
import { openBase } from '../../models/base.ts';
import { type GstRtsp, openGstRtsp } from '../rigs/gst-rtsp.ts';
import { mosquittoMissing, startMosquitto } from '../rigs/mosquitto.ts';
import { type AgentOptions, type RunningAgent, startAgent } from './agent-process.ts';
import { type BareOptions, type BareResult, runBare } from './bare.ts';
import { type ClipOptions, makeClip } from './clip.ts';

export interface WorkshopOptions {
  /** Length of one measurement, s. */
  readonly seconds: number;
  /** How long memory is watched, min. */
  readonly minutes: number;
}

export interface Workshop extends WorkshopOptions, AsyncDisposable {
  readonly broker: string;
  /** The agent's storage directory. */
  readonly storage: string;
  /** A camera that plays such a clip; it ends when the clip does. */
  camera(clip: ClipOptions): Promise<GstRtsp>;
  /** The agent with the trained head, as `qc-agent run` starts it. */
  agent(options: Omit<AgentOptions, 'broker' | 'storage' | 'folder' | 'base'>): Promise<RunningAgent>;
  /** The embedded base in a loop around onnxruntime, without anything else. */
  bare(options: Omit<BareOptions, 'base'>): Promise<BareResult>;
}

const baseName = 'resnet50-synthetic';

export async function openWorkshop(options: WorkshopOptions): Promise<Workshop> {
  const folder = await mkdtemp(join(tmpdir(), 'qc-bench-'));
  const storage = join(folder, 'storage');
  const broker = mosquittoMissing ? await openBroker() : await startMosquitto();
  const base = await openBase({ base: baseName, precision: 'auto' });
  // In a process of its own: what the runtime keeps mapped would be shared with those that are measured.
  const script = fileURLToPath(new URL('./fit-head.js', import.meta.url));
  await promisify(execFile)(process.execPath, [script, baseName, storage]);
  return {
    ...options,
    broker: broker.url,
    storage,
    camera: async (clip) => openGstRtsp({ source: `file:${await makeClip(folder, clip)}` }),
    agent: (agent) => startAgent({ ...agent, broker: broker.url, base: baseName, storage, folder }),
    bare: (bare) => runBare({ ...bare, base }),
    async [Symbol.asyncDispose]() {
      await broker[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

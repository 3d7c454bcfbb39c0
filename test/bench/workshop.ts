/** What the benchmarks share: a folder, a broker, a trained head, cameras that cost their server little. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openBroker } from '../../agent/demo/broker.ts';
import { type Base, openBase } from '../../models/base.ts';
import { type GstRtsp, openGstRtsp } from '../rigs/gst-rtsp.ts';
import { mosquittoMissing, startMosquitto } from '../rigs/mosquitto.ts';
import { type AgentOptions, type Precision, type RunningAgent, startAgent } from './agent-process.ts';
import { type BareOptions, type BareResult, runBare } from './bare.ts';
import { type ClipOptions, makeClip } from './clip.ts';
import { variantOf } from './variant.ts';

export interface WorkshopOptions {
  /** Length of one measurement, s. */
  readonly seconds: number;
  /** How long memory is watched, min. */
  readonly minutes: number;
  /** What `throughput` and `half-load` measure. */
  readonly precisions: readonly Precision[];
}

export interface Workshop extends WorkshopOptions, AsyncDisposable {
  readonly broker: string;
  /** The agent's storage directory. */
  readonly storage: string;
  /** This many cameras that play such a clip, of one server; they end when the clip does. */
  camera(clip: ClipOptions, cameras?: number): Promise<GstRtsp>;
  /** The embedded base, made in 8 bits where that is asked for the first time. */
  base(precision?: Precision): Promise<Base>;
  /** The agent with the trained head, as `qc-agent run` starts it. */
  agent(options: Omit<AgentOptions, 'broker' | 'storage' | 'folder' | 'base'>): Promise<RunningAgent>;
  /** The embedded base in a loop around onnxruntime, without anything else. */
  bare(options: Omit<BareOptions, 'base'> & { readonly precision?: Precision }): Promise<BareResult>;
}

const baseName = 'resnet50-embedded';

export async function openWorkshop(options: WorkshopOptions): Promise<Workshop> {
  const folder = await mkdtemp(join(tmpdir(), 'qc-bench-'));
  const storage = join(folder, 'storage');
  const broker = mosquittoMissing ? await openBroker() : await startMosquitto();
  const float = await openBase({ base: baseName, precision: 'auto' });
  const base = async (precision: Precision = 'fp32') =>
    precision === 'fp32' ? float : variantOf(baseName, precision, storage);
  // In a process of its own: what the runtime keeps mapped would be shared with those that are measured.
  const script = fileURLToPath(new URL('./fit-head.js', import.meta.url));
  await promisify(execFile)(process.execPath, [script, baseName, storage]);
  return {
    ...options,
    broker: broker.url,
    storage,
    base,
    camera: async (clip, cameras = 1) =>
      openGstRtsp({ source: `file:${await makeClip(folder, clip)}`, cameras }),
    async agent(agent) {
      await base(agent.precision);
      return startAgent({ ...agent, broker: broker.url, base: baseName, storage, folder });
    },
    bare: async ({ precision, ...bare }) => runBare({ ...bare, base: await base(precision) }),
    async [Symbol.asyncDispose]() {
      await broker[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { CameraConfig } from '../../../config/schema.ts';

const run = promisify(execFile);

const TRY_CUDA = '-v error -init_hw_device cuda -f lavfi -i nullsrc -t 0 -f null -';

/**
 * The arguments that select a hardware decoder, after a test; empty with a fault if it does not work. Jetson: NVIDIA's
 * ffmpeg selects decoders by name (h264_nvv4l2dec), so the codec is determined first.
 */
export async function hardwareDecoder(
  hardware: CameraConfig['hardware'],
  input: readonly string[],
  signal: AbortSignal,
): Promise<{ args: string[]; fault?: string }> {
  const options = { signal, timeout: 15_000 };
  try {
    if (hardware === 'cuda') {
      await run('ffmpeg', TRY_CUDA.split(' '), options);
      return { args: ['-hwaccel', 'cuda'] };
    }
    if (hardware === 'jetson') {
      const { stdout: decoders } = await run('ffmpeg', ['-hide_banner', '-decoders'], options);
      if (!decoders.includes('_nvv4l2dec')) throw new Error("this is not NVIDIA's ffmpeg for Jetson");
      const { stdout: asked } = await run(
        'ffprobe',
        ['-v', 'error', ...input, '-show_entries', 'stream=codec_name', '-of', 'csv=p=0'],
        options,
      );
      const codec = asked.trim().split('\n')[0];
      const decoder = `${codec}_nvv4l2dec`;
      if (!decoders.includes(decoder)) throw new Error(`it has no ${decoder}`);
      return { args: ['-c:v', decoder] };
    }
    return { args: [] };
  } catch (error) {
    const why = error instanceof Error ? (error.message.trim().split('\n').at(-1) ?? '') : String(error);
    return { args: [], fault: `no ${hardware} decoder (${why}); decoding in software` };
  }
}

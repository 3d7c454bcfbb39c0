import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { readWithFfmpeg } from '../../../agent/camera/ffmpeg/source.ts';
import { gstMissing } from '../../rigs/gst-rtsp.ts';
import { attempt } from './attempt.ts';
import { rtspContract } from './contract.ts';
import { damageContract } from './damage-contract.ts';

const noFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0 ? undefined : 'ffmpeg is not installed here';
rtspContract('ffmpeg', readWithFfmpeg, noFfmpeg ?? gstMissing());
damageContract('ffmpeg', readWithFfmpeg, false);

it('reports a missing ffmpeg', async () => {
  const { PATH } = process.env;
  process.env.PATH = '/nowhere';
  try {
    await using camera = attempt(readWithFfmpeg, { url: 'rtsp://127.0.0.1/stream' });
    expect((await camera.failure()).code).toBe('camera-decoder-missing');
  } finally {
    process.env.PATH = PATH;
  }
});

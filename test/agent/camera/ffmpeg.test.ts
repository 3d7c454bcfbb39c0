import { spawnSync } from 'node:child_process';
import { readWithFfmpeg } from '../../../agent/camera/ffmpeg/source.ts';
import { gstMissing } from '../../rigs/gst-rtsp.ts';
import { rtspContract } from './contract.ts';

const noFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0 ? undefined : 'ffmpeg is not installed here';
rtspContract('ffmpeg', readWithFfmpeg, noFfmpeg ?? gstMissing());

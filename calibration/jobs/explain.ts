/** Renders a heat map over an image: which locations contribute to a label. */

import sharp from 'sharp';
import { QcError } from '../../config/errors.ts';
import { activationMap, type Heat, pooledFeatures } from '../../models/activation.ts';
import { argmax } from '../../models/argmax.ts';
import { anomalyScoreOf } from '../../models/good-memory.ts';
import { decodeHead, probabilitiesOf, requireSameBase } from '../../models/head.ts';
import type { Image } from '../../models/image.ts';
import { readGoodMemory } from '../../models/onnx/memory-graph.ts';
import { decodeModel } from '../../models/onnx/proto.ts';
import { openSession, type Session } from '../../models/run/session.ts';
import { openStore } from '../../models/versions/store.ts';
import type { Jobs } from './messages.ts';

/** Stays open until the process ends: opening the base takes longer than everything else. */
let opened: { readonly base: string; readonly session: Promise<Session> } | undefined;

/** PNG of the image with the contributions to a label in red; default: the most probable label. */
export async function explain({ config, image, version, label }: Jobs['why']): Promise<Uint8Array> {
  const store = await openStore(config.storage.directory);
  const { manifest, model } = await store.read(version);
  const head = decodeHead(model, manifest.labels);
  const memory = readGoodMemory(decodeModel(model));
  if (!head && !memory)
    throw new QcError('why-unavailable', `version ${version} was not trained by this product`);
  const open = await sessionOf(config);
  requireSameBase(manifest, open.facts.manifest);
  if (!head) {
    const { where } = anomalyScoreOf(memory!, (await open.maps(image)).maps);
    return overlay(image, { ...memory!.stage2, data: where });
  }
  const pooled = await open.pooled(image);
  const maps = head.cells && (await open.maps(image)).maps;
  const said = probabilitiesOf(head, pooledFeatures(pooled), maps);
  const shown = label ?? head.labels[argmax(said)]!;
  if (!head.labels.includes(shown)) {
    throw new QcError('why-unavailable', `version ${version} has no label ${shown}`, {
      remedy: `use one of: ${head.labels.join(', ')}`,
    });
  }
  return overlay(image, activationMap(head, pooled, shown, maps));
}

async function sessionOf({ model, storage }: Jobs['why']['config']): Promise<Session> {
  const { base } = model;
  if (opened?.base !== base) {
    const before = await opened?.session.catch(() => undefined);
    await before?.[Symbol.asyncDispose]();
    const storageDirectory = storage.directory;
    const session = openSession({ ...model, provider: 'cpu', threads: 1, pooled: true, storageDirectory });
    opened = { base, session };
    // The next request tries again.
    session.catch(() => {
      if (opened?.session === session) opened = undefined;
    });
  }
  return opened.session;
}

/** The image in grey with positive contributions from yellow to red; negative ones stay grey. */
async function overlay(image: Image, heat: Heat): Promise<Buffer> {
  const { width, height, data } = image;
  const max = Math.max(...heat.data, 1e-9);
  const small = Uint8Array.from(heat.data, (value) => Math.round((255 * Math.max(0, value)) / max));
  const warm = await sharp(small, { raw: { width: heat.width, height: heat.height, channels: 1 } })
    .resize(width, height, { kernel: 'cubic', fit: 'fill' })
    .extractChannel(0)
    .raw()
    .toBuffer();
  const out = Buffer.alloc(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const grey = 0.299 * data[3 * i]! + 0.587 * data[3 * i + 1]! + 0.114 * data[3 * i + 2]!;
    const share = warm[i]! / 255;
    const cover = 0.65 * share;
    out[3 * i] = Math.round((1 - cover) * grey + cover * 255);
    out[3 * i + 1] = Math.round((1 - cover) * grey + cover * 255 * (1 - share));
    out[3 * i + 2] = Math.round((1 - cover) * grey);
  }
  return sharp(out, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

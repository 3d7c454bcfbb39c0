/** Bases simulated in memory: a test controls the progress of a comparison. */

import type { Bases } from '../../calibration/calibration.ts';
import type { BaseFigures, Comparison, Difference } from '../../calibration/compare/comparison.ts';
import type { BaseView, ComparingView } from '../../calibration/compare/views.ts';
import type { CatalogueView, InstallingView } from '../../calibration/install/views.ts';
import { idle } from '../../calibration/station/job-desk.ts';

export interface BasesRig extends Bases {
  installed: BaseView[];
  now: ComparingView;
  offered: CatalogueView;
  install: InstallingView;
}

const base = (name: string, more: Partial<BaseView> = {}): BaseView => ({
  name,
  inUse: false,
  isEmbedded: false,
  licence: 'BSD-3-Clause',
  origin: 'https://download.pytorch.org/models/resnet50-11ad3fa6.pth',
  network: 'ResNet50 v1.5',
  cost: 1.6,
  features: 2_048,
  width: 224,
  height: 224,
  megabytes: 94.1,
  int8: false,
  ...more,
});

const offer = (name: string, more: Partial<CatalogueView[number]> = {}): CatalogueView[number] => ({
  name,
  address: `torchvision:${name}`,
  architecture: 'ResNet50 v1.5',
  input: 'RGB',
  licence: 'BSD-3-Clause',
  licenceUrl: 'https://github.com/pytorch/vision/blob/main/LICENSE',
  commercial: true,
  megabytes: 102.5,
  checkedBy: 'start of sha256',
  remarks: null,
  installed: false,
  ...more,
});

/** @param asked receives each request as text */
export function createBasesRig(asked: (what: string) => void): BasesRig {
  const rig: BasesRig = {
    installed: [
      base('resnet50-embedded', {
        inUse: true,
        isEmbedded: true,
        licence: 'Apache-2.0',
        origin: 'trained on generated surfaces',
        features: 3_072,
        megabytes: 34.2,
        int8: true,
      }),
      base('resnet50'),
      base('mobilenet-v3-small', { licence: 'Apache-2.0', features: 576, megabytes: 3.9 }),
    ],
    now: { ...idle, comparison: null },
    offered: [
      offer('resnet18', { megabytes: 46.8 }),
      offer('barlowtwins-resnet50', { licence: 'CC-BY-NC-4.0', commercial: false }),
      offer('resnet50', { installed: true }),
    ],
    install: { ...idle, name: null, notices: [] },
    list: async () => rig.installed,
    comparing: async () => rig.now,
    async compare({ names, sizes }, by) {
      asked(`compare ${sizes ? 'input sizes' : names.join(' ') || 'all bases'}`);
      rig.now = { ...rig.now, state: 'running', step: 'starting', by, startedAt: '2026-11-30T18:00:00.000Z' };
    },
    async cancelComparison() {
      asked('cancel the comparison');
      rig.now = { ...rig.now, state: 'cancelled' };
    },
    catalogue: async () => rig.offered,
    installing: () => rig.install,
    async pull({ address, acceptLicence }, by) {
      asked(`pull ${address}${acceptLicence ? ' and accept its licence' : ''}`);
      rig.install = { ...rig.install, state: 'running', step: 'downloading', by };
    },
    async upload(body, bytes, { file }) {
      let received = 0;
      for await (const chunk of body) received += (chunk as Buffer).length;
      asked(`import ${file}: ${received} of ${bytes} bytes`);
    },
    async cancelInstalling() {
      asked('cancel the installation');
      rig.install = { ...rig.install, state: 'cancelled' };
    },
    async switch({ base, promote }) {
      asked(`switch to ${base}${promote ? ' and promote' : ''}`);
    },
  };
  return rig;
}

const shift = (to: string, points: number, p: number): Difference => ({
  to,
  points,
  low: points - 4,
  high: points + 4,
  won: 12,
  lost: 1,
  p,
});

const figuresOf = (name: string, value: number, toInUse: Difference | null): BaseFigures => ({
  name,
  sha256: '0'.repeat(64),
  licence: 'Apache-2.0',
  features: 2_048,
  megabytes: 94.1,
  isEmbedded: toInUse === null,
  inUse: toInUse === null,
  accuracy: { value, low: value - 0.05, high: Math.min(1, value + 0.03) },
  escapes: { rate: 0.02, low: 0, high: 0.08, wrong: 1, of: 60 },
  falseRejects: { rate: 0, low: 0, high: 0.06, wrong: 0, of: 60 },
  uncertain: { rate: 0.11, low: 0.06, high: 0.18, wrong: 13, of: 120 },
  promised: true,
  goodOnly: toInUse === null ? { auroc: 0.953, good: 60, defects: 60 } : null,
  goodOnlyMissing: toInUse === null ? null : 'the base has no maps of stages 2 and 3',
  places: null,
  toStatistics: shift('image statistics', 21.4, 0.0001),
  toEmbedded: toInUse,
  toInUse,
  speed: {
    float: { ms: 28.4, ratio: toInUse ? 1.62 : 1 },
    int8: toInUse ? null : { ms: 9.1, ratio: 0.32 },
  },
  memory: { float: 288, int8: null },
  seconds: 18,
});

/** A comparison that recommends `resnet50`. */
export const recommending: Comparison = {
  schema: 1,
  madeAt: '2026-11-30T18:04:00.000Z',
  revision: 'r1',
  frames: 120,
  counts: { good: 60, scratch: 60 },
  folds: 5,
  inUse: 'resnet50-embedded',
  bases: [
    figuresOf('resnet50-embedded', 0.85, null),
    figuresOf('resnet50', 0.95, shift('resnet50-embedded', 10, 0.003)),
    figuresOf('mobilenet-v3-small', 0.86, shift('resnet50-embedded', 0.8, 0.9)),
  ],
  failed: [{ name: 'dino', reason: 'dino.onnx is not the file that its manifest describes' }],
  recommended: 'resnet50',
  sentence:
    'resnet50 is significantly better for these parts than resnet50-embedded: 95.0 % of new parts are judged correctly instead of 85.0 %',
  details: [
    'resnet50: significantly better (+10.0 points, 95 % interval +6.0 to +14.0)',
    'mobilenet-v3-small: no significant difference (+0.8 points, 95 % interval −3.2 to +4.8, p = 0.90)',
  ],
  seconds: 54,
};

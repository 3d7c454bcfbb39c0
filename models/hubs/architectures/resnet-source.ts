/** What the recogniser of a source gives for its ResNets. */
import type { Layers } from './layers.ts';
import type { Preprocessing } from './network.ts';
import type { ResnetForm, ResnetNames } from './resnet.ts';

/** Of a source: what its ResNet is like unless the file or the user says otherwise. */
export interface Source {
  readonly source: string;
  readonly names: ResnetNames;
  readonly preprocessing: Preprocessing;
  readonly layers: Layers;
  readonly prefix: string;
  readonly form: Omit<ResnetForm, 'names' | 'depths' | 'convolutions'>;
  /** Added to "ResNet50". */
  readonly suffix: string;
  /** Whether the stride may be on either convolution: nothing in the weights tells. */
  readonly isStrideOpen?: boolean;
}

/** As torchvision has it. */
export const plain = {
  kind: 'v1',
  stem: 'plain',
  blur: false,
  pooledShortcut: false,
  padding: 'half',
  stemPool: 'half',
} as const;

/** Result of the recognition of a ResNet of one source. */
import type { Layers } from './layers.ts';
import type { Preprocessing } from './network.ts';
import type { ResnetForm, ResnetNames } from './resnet.ts';

/** Form of the source's ResNet, unless the file or the user states another one. */
export interface Source {
  readonly source: string;
  readonly names: ResnetNames;
  readonly preprocessing: Preprocessing;
  readonly layers: Layers;
  readonly prefix: string;
  readonly form: Omit<ResnetForm, 'names' | 'depths' | 'convolutions'>;
  /** Added to "ResNet50". */
  readonly suffix: string;
  /** Whether the stride may be on either convolution, which the weights do not show. */
  readonly isStrideOpen?: boolean;
}

/** The form of torchvision. */
export const plain = {
  kind: 'v1',
  stem: 'plain',
  blur: false,
  pooledShortcut: false,
  padding: 'half',
  stemPool: 'half',
} as const;

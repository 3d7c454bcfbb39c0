/** What the readers of the layouts hand over, before anything is decoded: plain facts about each image. */
import type { QcError } from '../../config/errors.ts';
import type { NewFrame } from '../dataset/dataset.ts';
import type { Shape } from '../dataset/shapes.ts';
import type { Locator } from './locate.ts';
import type { Source, SourceFile } from './source.ts';

export type AnnotationLayout =
  | 'export'
  | 'coco'
  | 'yolo'
  | 'voc'
  | 'cvat'
  | 'label-studio'
  | 'labelme'
  | 'via'
  | 'csv';

/** Where something is, in the unit of its image. */
export type DraftShape =
  | { readonly kind: 'point'; readonly label: string; readonly x: number; readonly y: number }
  | {
      readonly kind: 'box';
      readonly label: string;
      readonly x: number;
      readonly y: number;
      readonly width: number;
      readonly height: number;
    }
  | {
      readonly kind: 'polygon';
      readonly label: string;
      readonly points: readonly (readonly [number, number])[];
    }
  /** Over the whole image; drawn only when its image is read. Throws an Error that says why not. */
  | {
      readonly kind: 'mask';
      readonly label: string;
      /** In square pixels of the image. */
      readonly area: number;
      readonly draw: () => Bitmap | Promise<Bitmap>;
    };

/** 0 outside, anything else inside; row by row. */
export interface Bitmap {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface ImageFacts {
  /** Said of the whole image. */
  readonly labels: readonly string[];
  readonly shapes: readonly DraftShape[];
  readonly unit: 'pixel' | 'fraction';
  /** Of the image, as the annotation file states it: pixels. */
  readonly size?: { readonly width: number; readonly height: number } | undefined;
  /** The annotation file names the image and says that there is nothing on it. */
  readonly isEmpty?: boolean;
  readonly frame?: Partial<Pick<NewFrame, 'partId' | 'camera' | 'capturedAt' | 'judged' | 'at' | 'by'>>;
  /** Shapes as a dataset keeps them already. */
  readonly kept?: readonly Shape[];
  /** Files with masks of what the image's label names. */
  readonly masks?: readonly SourceFile[] | undefined;
}

export interface Reading {
  readonly layout: AnnotationLayout;
  /** For a person: `COCO JSON, 3 files`. */
  readonly what: string;
  /** By the name of the image. */
  readonly facts: ReadonlyMap<string, ImageFacts>;
  /** Annotation files that were read. */
  readonly used: ReadonlySet<string>;
  /** What an annotation file says and is not taken over. */
  readonly notes: readonly string[];
  /** Images that the annotations name and that are not there. */
  readonly missing: ReadonlySet<string>;
}

export interface ReaderInput {
  readonly source: Source;
  /** Without masks. */
  readonly images: readonly SourceFile[];
  readonly locator: Locator;
  /** Finds masks too. */
  readonly anyImage: Locator;
}

/** Undefined if the source has no such annotations. */
export type Reader = (input: ReaderInput) => Promise<Reading | undefined>;

/** Reads documents of one kind, each parsed once for all readers. */
export interface DocumentReader<T> {
  /** False if it is no document of this layout. */
  take(file: SourceFile, content: T): boolean;
  finish(): Reading | undefined;
  /** Why a document that seems to be of this layout cannot be used without a person's word. */
  readonly problem?: QcError | undefined;
}

/** Collects the facts of each image from several lines or files. */
export function createFacts(unit: ImageFacts['unit']) {
  const facts = new Map<string, ImageFacts>();
  return {
    facts,
    add(image: SourceFile, more: Partial<ImageFacts>): void {
      const before = facts.get(image.name) ?? { labels: [], shapes: [], unit };
      facts.set(image.name, {
        ...before,
        ...more,
        labels: [...before.labels, ...(more.labels ?? [])],
        shapes: [...before.shapes, ...(more.shapes ?? [])],
      });
    },
  };
}

/** Results of the layout readers before decoding: facts about each image. */
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

/** A shape in the unit of its image. */
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
  /** A mask of the whole image; created only when its image is read. Throws an Error with the reason. */
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
  /** Labels of the whole image. */
  readonly labels: readonly string[];
  readonly shapes: readonly DraftShape[];
  readonly unit: 'pixel' | 'fraction';
  /** Size of the image according to the annotation file, pixels. */
  readonly size?: { readonly width: number; readonly height: number } | undefined;
  /** Whether the annotation file lists the image without annotations. */
  readonly isEmpty?: boolean;
  readonly frame?: Partial<Pick<NewFrame, 'partId' | 'camera' | 'capturedAt' | 'judged' | 'at' | 'by'>>;
  /** Shapes in the format of the dataset. */
  readonly kept?: readonly Shape[];
  /** Files with masks for the label of the image. */
  readonly masks?: readonly SourceFile[] | undefined;
}

export interface Reading {
  readonly layout: AnnotationLayout;
  /** Description: `COCO JSON, 3 files`. */
  readonly what: string;
  /** By the name of the image. */
  readonly facts: ReadonlyMap<string, ImageFacts>;
  /** Annotation files that were read. */
  readonly used: ReadonlySet<string>;
  /** Content of annotation files that is not imported. */
  readonly notes: readonly string[];
  /** Images that the annotations name but that are missing. */
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
  /** False if it is not a document of this layout. */
  take(file: SourceFile, content: T): boolean;
  finish(): Reading | undefined;
  /** Why a document of this layout cannot be used without a decision by the user. */
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

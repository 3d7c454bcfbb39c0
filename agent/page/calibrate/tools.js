/** Shared tools of all views of the calibration page. */

/** @import { Changes } from './changes.js' */
/** @import { OverviewStore } from './overview.js' */
/** @import { Toasts } from './toast.js' */

/**
 * @typedef {object} Tools
 * @property {OverviewStore} overview
 * @property {Changes} changes
 * @property {Toasts} toasts
 * @property {(text: string) => void} announce announces a text to screen readers
 */

export {};

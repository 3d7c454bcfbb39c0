/** What every view of the calibration page is given. */

/** @import { Changes } from './changes.js' */
/** @import { OverviewStore } from './overview.js' */
/** @import { Toasts } from './toast.js' */

/**
 * @typedef {object} Tools
 * @property {OverviewStore} overview
 * @property {Changes} changes
 * @property {Toasts} toasts
 * @property {(text: string) => void} announce tells screen readers
 */

export {};

/** Shows the newest requested image in a canvas; images requested while one is loading are skipped. */

/** Minimum time between two images, to avoid flicker, ms. */
const minIntervalMs = 120;

/**
 * @param {HTMLCanvasElement} canvas takes the size of the image
 * @param {(shown: {url: string, capturedAt: number, width: number, height: number}) => void} [onShown] capturedAt: ms since the epoch
 */
export function createNewestImage(canvas, onShown = () => {}) {
  const context = canvas.getContext('2d');
  /** @type {string | undefined} */
  let wanted;
  let isLoading = false;
  /** Incremented by `clear`, so that an image requested before is not shown afterwards. */
  let generation = 0;

  /** @param {string} url */
  const load = async (url) => {
    const own = generation;
    const response = await fetch(url);
    if (response.status !== 200) return;
    const image = await createImageBitmap(await response.blob());
    if (own !== generation) return;
    canvas.width = image.width;
    canvas.height = image.height;
    context?.drawImage(image, 0, 0);
    image.close();
    const capturedAt = Date.parse(response.headers.get('qc-captured-at') ?? '');
    onShown({ url, capturedAt, width: canvas.width, height: canvas.height });
  };

  return {
    /** @param {string} url */
    async show(url) {
      wanted = url;
      if (isLoading) return;
      isLoading = true;
      while (wanted !== undefined) {
        const next = wanted;
        wanted = undefined;
        // The page reports a lost connection elsewhere, and a deleted image stays empty.
        await load(next).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, minIntervalMs));
      }
      isLoading = false;
    },
    /** Empties the canvas: the part has no image. */
    clear() {
      wanted = undefined;
      generation++;
      context?.clearRect(0, 0, canvas.width, canvas.height);
    },
  };
}

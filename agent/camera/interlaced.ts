/** @param topFirst whether the upper field was captured first */
export function interlacedText(topFirst: boolean): string {
  const order = topFirst ? 'top' : 'bottom';
  return `the video is interlaced (${order} field first): only the rows of one field are judged`;
}

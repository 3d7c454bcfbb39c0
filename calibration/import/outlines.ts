/** Rotated rectangles, ellipses and circles as polygons. */

interface Point {
  readonly x: number;
  readonly y: number;
}

const corners = 36;

/** @param degrees clockwise on the image, about `center` */
export function turned(
  { x, y, width, height }: Point & { readonly width: number; readonly height: number },
  center: Point,
  degrees: number,
): [number, number][] {
  const box: [number, number][] = [
    [x, y],
    [x + width, y],
    [x + width, y + height],
    [x, y + height],
  ];
  return box.map(([px, py]) => turn(px - center.x, py - center.y, center, degrees));
}

export function ellipse(center: Point, rx: number, ry: number, degrees = 0): [number, number][] {
  return Array.from({ length: corners }, (_, i) => {
    const angle = (i / corners) * 2 * Math.PI;
    return turn(rx * Math.cos(angle), ry * Math.sin(angle), center, degrees);
  });
}

function turn(dx: number, dy: number, center: Point, degrees: number): [number, number] {
  const angle = (degrees / 180) * Math.PI;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [center.x + dx * cos - dy * sin, center.y + dx * sin + dy * cos];
}

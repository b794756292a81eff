import type { Coordinates } from '@meridian/protocol';

/** A point on a globe of radius 1, seen from far away. `y` grows downwards; `front` is our side of it. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly front: boolean;
}

type Vector = readonly [number, number, number];

const radians = (degrees: number): number => (degrees * Math.PI) / 180;

function toVector({ latitude, longitude }: Coordinates): Vector {
  const [lat, lon] = [radians(latitude), radians(longitude)];
  return [Math.cos(lat) * Math.sin(lon), Math.sin(lat), Math.cos(lat) * Math.cos(lon)];
}

/** Orthographic projection with `centre` in the middle of the disc. */
function seenFrom(centre: Coordinates): (vector: Vector) => Point {
  const [lat, lon] = [radians(centre.latitude), radians(centre.longitude)];
  return ([x, y, z]) => {
    const [east, toward] = [x * Math.cos(lon) - z * Math.sin(lon), x * Math.sin(lon) + z * Math.cos(lon)];
    const up = y * Math.cos(lat) - toward * Math.sin(lat);
    return { x: east, y: -up, front: y * Math.sin(lat) + toward * Math.cos(lat) > 0 };
  };
}

export const project = (place: Coordinates, centre: Coordinates): Point => seenFrom(centre)(toVector(place));

/** Middle of all places, for turning the globe so that most of them are in sight. */
export function centreOf(places: readonly Coordinates[]): Coordinates {
  const sum = places.map(toVector).reduce<Vector>(([a, b, c], [x, y, z]) => [a + x, b + y, c + z], [0, 0, 0]);
  const [x, y, z] = sum;
  if (Math.hypot(x, y, z) < 0.05) return { latitude: 20, longitude: 10 };
  const latitude = (Math.atan2(y, Math.hypot(x, z)) * 180) / Math.PI;
  return { latitude: Math.max(-25, Math.min(25, latitude)), longitude: (Math.atan2(x, z) * 180) / Math.PI };
}

/** An SVG path along points, broken where it goes round to the far side. `radius` in user units. */
export function pathOf(points: readonly Point[], radius: number): string {
  let path = '';
  let drawing = false;
  for (const { x, y, front } of points) {
    if (front) path += `${drawing ? 'L' : 'M'}${(x * radius).toFixed(1)} ${(y * radius).toFixed(1)}`;
    drawing = front;
  }
  return path;
}

const STEP_DEGREES = 4;
const range = (from: number, to: number, step: number): number[] =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step);

/** Meridians and parallels. */
export function graticule(centre: Coordinates, radius: number): string[] {
  const see = seenFrom(centre);
  const meridians = range(-180, 165, 15).map((longitude) =>
    range(-90, 90, STEP_DEGREES).map((latitude) => see(toVector({ latitude, longitude }))),
  );
  const parallels = range(-75, 75, 15).map((latitude) =>
    range(-180, 180, STEP_DEGREES).map((longitude) => see(toVector({ latitude, longitude }))),
  );
  return [...meridians, ...parallels].map((line) => pathOf(line, radius)).filter((path) => path !== '');
}

/** Places as a path of dots: strokes without length, made round by their caps. Only the near side. */
export function dotsPath(places: readonly Coordinates[], centre: Coordinates, radius: number): string {
  const see = seenFrom(centre);
  let path = '';
  for (const place of places) {
    const { x, y, front } = see(toVector(place));
    if (front) path += `M${(x * radius).toFixed(1)} ${(y * radius).toFixed(1)}h0`;
  }
  return path;
}

/** The great circle between two places, lifted off the ground the more the longer it is. */
export function arc(from: Coordinates, to: Coordinates, centre: Coordinates, radius: number): string {
  const [a, b] = [toVector(from), toVector(to)];
  const dot = Math.max(-1, Math.min(1, a[0] * b[0] + a[1] * b[1] + a[2] * b[2]));
  const angle = Math.acos(dot);
  if (angle < 0.01) return '';
  const see = seenFrom(centre);
  const points = range(0, 1, 1 / 32).map((t): Point => {
    const [p, q] = [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
    const lift = 1 + 0.28 * angle * t * (1 - t);
    const ground = see([p * a[0] + q * b[0], p * a[1] + q * b[1], p * a[2] + q * b[2]]);
    return { x: ground.x * lift, y: ground.y * lift, front: ground.front };
  });
  return pathOf(points, radius);
}

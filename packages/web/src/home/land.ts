import type { Coordinates } from '@meridian/protocol';

type Outline = readonly (readonly [longitude: number, latitude: number])[];

/** Coasts, as coarse as a globe of dots allows: longitude and latitude of each corner, degrees. */
const OUTLINES: readonly Outline[] = [
  // North America
  `-168,66 -156,71 -141,70 -128,70 -115,68 -95,68 -85,69 -94,59 -82,55 -79,52 -79,56 -77,62 -70,61 -64,58
   -56,52 -65,48 -61,46 -67,44 -74,40 -76,35 -81,31 -80,25 -82,29 -89,30 -97,27 -97,22 -94,18 -90,21 -87,21
   -88,16 -83,15 -82,9 -78,9 -78,7 -84,9 -87,12 -94,16 -105,20 -109,25 -113,31 -110,24 -115,29 -118,33 -124,40
   -124,48 -130,54 -136,58 -146,60 -152,58 -165,54 -158,58 -164,60 -166,63 -162,65`,
  // Arctic islands, Greenland, Iceland
  '-80,73 -68,70 -62,66 -66,62 -75,65 -85,70',
  '-118,72 -105,73 -102,69 -115,69',
  '-73,78 -60,82 -30,83 -18,77 -22,70 -40,65 -44,60 -52,65 -55,70 -68,76',
  '-24,66 -14,66 -15,63 -22,63',
  // Cuba
  '-85,22 -79,23 -74,20 -78,20',
  // South America
  `-78,8 -72,12 -62,10 -51,4 -50,0 -44,-2 -35,-6 -37,-12 -39,-18 -41,-22 -48,-26 -53,-33 -58,-38 -65,-42
   -66,-48 -69,-54 -73,-52 -75,-46 -73,-38 -71,-30 -70,-18 -76,-14 -81,-6 -80,0 -77,4`,
  // Africa, Madagascar
  `-6,36 10,37 11,33 20,31 32,31 35,28 37,21 43,12 51,12 48,5 41,-2 40,-11 35,-18 35,-24 32,-28 27,-34 19,-35
   15,-27 12,-18 13,-8 9,-1 9,4 4,6 -8,4 -15,10 -17,15 -16,21 -10,30`,
  '44,-16 50,-14 47,-25 44,-24',
  // Europe and Asia
  `-9,37 -9,43 -2,43 -1,46 -5,48 2,51 8,54 8,57 11,56 10,54 20,55 24,58 30,60 22,60 22,63 25,66 18,62 17,58
   13,55 11,59 6,58 5,62 14,68 25,71 32,70 41,67 44,68 54,69 60,69 68,73 80,73 90,76 105,78 113,74 130,71
   142,73 160,70 178,69 180,65 178,62 163,60 162,56 156,51 156,57 162,62 155,59 143,59 135,54 141,52 140,48
   131,43 127,39 129,36 126,35 125,39 121,40 118,38 122,37 119,35 122,31 118,24 110,21 106,20 109,13 105,9
   100,13 103,5 104,1 100,6 98,10 97,16 91,22 87,21 80,15 80,11 77,8 73,17 72,21 67,25 57,26 51,30 48,30 51,25
   56,25 59,22 52,16 44,13 39,21 34,28 35,31 36,36 28,37 27,40 23,38 20,40 13,45 18,40 16,38 12,42 8,44 3,42
   -1,37 -6,36`,
  // Great Britain, Ireland
  '-5,50 1,51 0,54 -3,58 -6,57 -4,54',
  '-10,52 -6,52 -6,55 -9,54',
  // Japan, the Philippines, Sri Lanka
  '130,31 136,34 141,35 142,40 141,45 145,44 141,42 139,38 132,35',
  '120,18 122,18 126,8 122,7 120,14',
  '80,10 82,7 80,6',
  // Sumatra, Java, Borneo, Celebes, New Guinea
  '95,6 104,-2 106,-6 102,-5',
  '105,-6 114,-7 114,-9 106,-8',
  '109,2 115,5 119,5 117,-1 114,-4 110,-2',
  '119,-5 120,1 125,2 122,-2 122,-5',
  '131,-1 141,-3 147,-6 150,-10 143,-9 138,-8 133,-4',
  // Australia, New Zealand
  `114,-22 122,-18 126,-14 130,-12 136,-12 136,-16 140,-17 142,-11 146,-19 153,-26 151,-34 146,-39 140,-38
   135,-34 129,-32 118,-35 115,-33`,
  '173,-35 178,-38 174,-42 170,-46 167,-46 172,-41',
].map((text) => text.split(/\s+/).map(cornerOf));

function cornerOf(text: string): Outline[number] {
  const [longitude = 0, latitude = 0] = text.split(',').map(Number);
  return [longitude, latitude];
}

/** Degrees of latitude between two dots; along a parallel they keep the same distance on the ground. */
const STEP = 2.6;

function isWithin(outline: Outline, longitude: number, latitude: number): boolean {
  let inside = false;
  let before = outline.at(-1);
  for (const corner of outline) {
    if (before !== undefined && corner[1] > latitude !== before[1] > latitude) {
      const crossing = corner[0] + ((latitude - corner[1]) / (before[1] - corner[1])) * (before[0] - corner[0]);
      if (longitude < crossing) inside = !inside;
    }
    before = corner;
  }
  return inside;
}

let dots: readonly Coordinates[] | undefined;

/** Evenly spread places on land. Computed once, when first asked for. */
export function landDots(): readonly Coordinates[] {
  if (dots !== undefined) return dots;
  const found: Coordinates[] = [];
  for (let latitude = -56; latitude <= 82; latitude += STEP) {
    const stride = STEP / Math.cos((latitude * Math.PI) / 180);
    for (let longitude = -180; longitude < 180; longitude += stride) {
      if (OUTLINES.some((outline) => isWithin(outline, longitude, latitude))) found.push({ latitude, longitude });
    }
  }
  dots = found;
  return found;
}

import { FoilbankError } from '../errors.js';
import type { Box, Face, FaceReader } from '../faces/index.js';

/** Faces from left to right, as people number them. */
export const leftToRight = <T extends { readonly box: Box }>(faces: readonly T[]): T[] =>
  [...faces].sort((a, b) => a.box.x + a.box.width / 2 - (b.box.x + b.box.width / 2));

/**
 * The face of a photo that a user means.
 *
 * @param which `largest`, `whole` (the photo is a crop that one face fills), or a number from 1, left to right
 * @throws FoilbankError FB_FACE_INDEX, and those of `FaceReader.embedPhoto`
 */
export async function readFace(
  reader: FaceReader,
  photo: string,
  which: 'largest' | 'whole' | number,
): Promise<Face> {
  if (which === 'largest') return reader.embedPhoto(photo);
  if (which === 'whole') return reader.embedPhoto(photo, { faceBox: 'whole' });
  const faces = leftToRight(await reader.detect(photo));
  const face = faces[which - 1];
  if (!face) {
    if (faces.length === 0) throw new FoilbankError('FB_NO_FACE', { photo });
    throw new FoilbankError('FB_FACE_INDEX', { photo, faces: faces.length, index: which });
  }
  const { score } = face;
  return { ...(await reader.embedPhoto(photo, { faceBox: face.box })), score };
}

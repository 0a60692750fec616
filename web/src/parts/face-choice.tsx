import { useEffect, useId, useState } from 'preact/hooks';
import type { DetectedFace } from '../../../src/gen/index.js';
import type { Choice } from './choice.js';

/** Below it a face has too few pixels for an embedding that can be trusted. */
const TINY = 40;

export function FaceChoice({
  faces,
  choice,
  onChoice,
}: {
  faces: readonly DetectedFace[];
  choice: Choice;
  onChoice: (c: Choice) => void;
}) {
  const group = useId();
  return (
    <fieldset class="faces">
      <legend>{faces.length === 1 ? 'The face found' : `${faces.length} faces: whose is meant?`}</legend>
      {faces.map((f, i) => (
        <label key={i}>
          <input type="radio" name={group} checked={choice === i + 1} onChange={() => onChoice(i + 1)} />
          <Chip bytes={f.chip} alt={`Face ${i + 1} of ${faces.length}, aligned as the embedder sees it`} />
          <span class="under">
            {faces.length > 1 && `${i + 1} · `}
            {Math.round(f.score * 100)} % sure
          </span>
        </label>
      ))}
    </fieldset>
  );
}

/** Said where a face is too small to trust. */
export function FaceDoubts({ of }: { of: DetectedFace | undefined }) {
  const side = of && Math.round(Math.min(of.width, of.height));
  if (side === undefined || side >= TINY) return null;
  return (
    <p class="note">
      This face is {side} pixels small: its embedding says little, and its neighbours less. Use a closer
      photo.
    </p>
  );
}

export function NoFace({ whole, onWhole }: { whole: boolean; onWhole: () => void }) {
  return (
    <div class="note" role="status">
      <p>
        <strong>No face was found in this photo.</strong> Use one in which the face is upright, in front view
        and at least {TINY} pixels wide.
      </p>
      {whole ? (
        <p class="quiet">The whole picture is taken as a face.</p>
      ) : (
        <button type="button" class="small secondary" onClick={onWhole}>
          It is a crop: take the whole picture as the face
        </button>
      )}
    </div>
  );
}

function Chip({ bytes, alt }: { bytes: Uint8Array; alt: string }) {
  const [url, setUrl] = useState('');
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([bytes as BlobPart], { type: 'image/webp' }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [bytes]);
  return url ? <img src={url} alt={alt} width={96} height={96} /> : <span class="blank" />;
}

import { useEffect, useState } from 'preact/hooks';
import type { DetectResponse, Face } from '../../../src/gen/index.js';
import { face } from '../api.js';
import { useTask } from '../use-task.js';
import type { Choice } from './choice.js';
import { FaceChoice, FaceDoubts, NoFace } from './face-choice.js';
import { PhotoInput, type PickedPhoto } from './photo-input.js';
import { ProblemNote } from './problem-note.js';

/** A photo, the face in it that is meant, and that face's embedding, told to `onFace`. */
export function FaceInput({
  label,
  bank,
  onFace,
}: {
  label: string;
  bank: string;
  onFace: (f: Face | undefined) => void;
}) {
  const [photo, setPhoto] = useState<PickedPhoto>();
  const [choice, setChoice] = useState<Choice>();
  const empty = photo?.bytes.length === 0;
  const found = useTask(
    photo && !empty ? (signal) => face.detect({ image: photo.bytes }, { signal }) : undefined,
    [photo],
  );
  useEffect(() => setChoice(firstChoice(found.value)), [found.value]);
  const ready = photo && found.value && choice !== undefined;
  const read = useTask(ready ? (signal) => embed(bank, photo, choice, signal) : undefined, [
    ...[photo, found.value, choice, bank],
  ]);
  useEffect(() => onFace(ready ? read.value : undefined), [read.value, ready]);
  const faces = found.value?.faces ?? [];
  return (
    <section class="face-input" aria-busy={found.busy || read.busy}>
      <PhotoInput
        label={label}
        photo={photo}
        onPhoto={(next) => {
          setChoice(undefined);
          setPhoto(next);
        }}
      />
      <ProblemNote problem={found.problem ?? read.problem} again={found.problem ? found.again : read.again} />
      {empty && (
        <p class="note" role="alert">
          {photo.name} is empty.
        </p>
      )}
      {photo && found.value && (
        <>
          <div class="found">
            <Framed photo={photo} found={found.value} choice={choice} />
            {faces.length > 0 && <FaceChoice faces={faces} choice={choice} onChoice={setChoice} />}
          </div>
          {faces.length === 0 && <NoFace whole={choice === 'whole'} onWhole={() => setChoice('whole')} />}
          <FaceDoubts of={typeof choice === 'number' ? faces[choice - 1] : undefined} />
          {ready &&
            read.value?.warnings.map((text) => (
              <p class="note" key={text}>
                {text}
              </p>
            ))}
        </>
      )}
      <p class="quiet" aria-live="polite">
        {found.busy ? 'Looking for faces…' : read.busy ? 'Reading the face…' : ''}
      </p>
    </section>
  );
}

/** The largest face, as the service takes it where nothing is said. */
function firstChoice(found: DetectResponse | undefined): Choice {
  if (!found?.faces.length) return undefined;
  const areas = found.faces.map(({ width, height }) => width * height);
  return areas.indexOf(Math.max(...areas)) + 1;
}

async function embed(
  bank: string,
  photo: PickedPhoto,
  choice: number | 'whole',
  signal: AbortSignal,
): Promise<Face> {
  const chosen =
    choice === 'whole' ? { case: 'whole' as const, value: true } : { case: 'index' as const, value: choice };
  const { faces } = await face.embed({ bank, photos: [{ image: photo.bytes, face: chosen }] }, { signal });
  return faces[0]!;
}

/** The photo with its faces framed. */
function Framed({ photo, found, choice }: { photo: PickedPhoto; found: DetectResponse; choice: Choice }) {
  const { width, height, faces } = found;
  return (
    <div class="framed">
      <img
        src={photo.url}
        alt={`${photo.name}, ${faces.length} ${faces.length === 1 ? 'face' : 'faces'} found`}
      />
      <svg viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
        {faces.map((f, i) => (
          <rect
            key={i}
            class={choice === i + 1 ? 'chosen' : ''}
            {...{ x: f.x, y: f.y, width: f.width, height: f.height }}
            vector-effect="non-scaling-stroke"
          />
        ))}
      </svg>
    </div>
  );
}

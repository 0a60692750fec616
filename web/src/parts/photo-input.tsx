import { useEffect, useId, useState } from 'preact/hooks';

const TYPES = 'image/jpeg,image/png,image/webp,image/avif';

export interface PickedPhoto {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Object URL of it, for this page alone. */
  readonly url: string;
}

/** A photo by button, drop or paste. It stays in memory. */
export function PhotoInput({
  label,
  photo,
  onPhoto,
}: {
  label: string;
  photo: PickedPhoto | undefined;
  onPhoto: (p: PickedPhoto) => void;
}) {
  const id = useId();
  const [over, setOver] = useState(false);
  useEffect(() => () => URL.revokeObjectURL(photo?.url ?? ''), [photo?.url]);
  const take = async (file: File | undefined | null) => {
    if (file)
      onPhoto({
        name: file.name,
        bytes: new Uint8Array(await file.arrayBuffer()),
        url: URL.createObjectURL(file),
      });
  };
  return (
    <fieldset
      class={over ? 'drop over' : 'drop'}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void take(event.dataTransfer?.files[0]);
      }}
      onPaste={(event) => void take(event.clipboardData?.files[0])}
    >
      <legend>
        <strong>{label}</strong>
      </legend>
      <label for={id}>
        <span class="quiet">Drop, paste or choose a photo. It is read in memory and never stored.</span>
      </label>
      <input
        id={id}
        type="file"
        accept={TYPES}
        // The same file may be chosen again.
        onClick={({ currentTarget }) => {
          currentTarget.value = '';
        }}
        onChange={({ currentTarget }) => void take(currentTarget.files?.[0])}
      />
    </fieldset>
  );
}

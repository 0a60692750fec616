/** Which face of a photo: its number from 1, the whole picture, or not chosen yet. */
export type Choice = number | 'whole' | undefined;

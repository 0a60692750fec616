// node run_onnx.mjs MODEL Z.f32 ZDIM PSI BATCH OUT.f32: all latents of Z.f32 through the model, BATCH at a time.
import { readFileSync, writeFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const [model, zFile, zDim, psi, batch, out] = process.argv.slice(2);
const session = await InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
const bytes = readFileSync(zFile);
const z = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
const parts = [];
for (let at = 0; at < z.length; at += batch * zDim) {
  const rows = z.slice(at, at + batch * zDim);
  const { image } = await session.run({
    z: new Tensor('float32', rows, [rows.length / zDim, Number(zDim)]),
    psi: new Tensor('float32', Float32Array.of(Number(psi)), []),
  });
  parts.push(Buffer.from(image.data.buffer, image.data.byteOffset, image.data.byteLength));
}
writeFileSync(out, Buffer.concat(parts));

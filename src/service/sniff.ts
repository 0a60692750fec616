import type { Socket } from 'node:net';

const PREFACE = 'PRI * HTTP/2.0';

/** Reads just enough to know the protocol, and puts it back. */
export function sniff(socket: Socket, patience: number, decided: (isHttp2: boolean) => void): void {
  const timer = setTimeout(() => socket.destroy(), patience);
  socket.once('close', () => clearTimeout(timer));
  let seen = Buffer.alloc(0);
  const look = () => {
    const chunk: Buffer | null = socket.read();
    if (!chunk) return;
    seen = Buffer.concat([seen, chunk]);
    const text = seen.subarray(0, PREFACE.length).toString('latin1');
    const isHttp2 = text === PREFACE;
    if (!isHttp2 && PREFACE.startsWith(text)) return;
    clearTimeout(timer);
    socket.off('readable', look);
    socket.unshift(seen);
    decided(isHttp2);
  };
  socket.on('readable', look);
}

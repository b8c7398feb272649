/** Paths of UNIX sockets: whether somebody serves there. */
import { connect } from 'node:net';

/** Whether a connection to the socket is accepted; a file that a killed process left takes none. */
export async function answersAt(path: string): Promise<boolean> {
  const socket = connect(path);
  return new Promise((done) => {
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}

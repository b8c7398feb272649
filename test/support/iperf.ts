/** iperf3 through the filter: how much of what one side sent the other received. */
import type { Namespace } from './netns';
import type { Background } from './process';

/** Starts a server on both families; resolves once it listens. */
export async function serveIperf(namespace: Namespace, port: number): Promise<Background> {
  const server = namespace.start(['iperf3', '--server', '--port', String(port), '--forceflush']);
  await server.waitFor(/Server listening/);
  return server;
}

export interface IperfOptions {
  /** The server sends. */
  readonly reverse?: boolean;
  /** Datagrams of so many bytes instead of a TCP stream. */
  readonly datagrams?: number;
  readonly bytes?: number;
}

/** Sends `bytes` (500,000 unless told); what came, and how many datagrams were lost. */
export async function iperf(
  namespace: Namespace,
  host: string,
  port: number,
  { reverse = false, datagrams, bytes = 500_000 }: IperfOptions = {},
): Promise<{ received: number; lost: number }> {
  const words = ['--client', host, '--port', String(port), '--bytes', String(bytes), '--json'];
  words.push('--connect-timeout', '3000');
  if (reverse) words.push('--reverse');
  if (datagrams !== undefined) words.push('--udp', '--bandwidth', '10M', '--length', String(datagrams));
  const { stdout, stderr } = await namespace.run(['iperf3', ...words], { timeout: 30_000 });
  const answer = JSON.parse(stdout || '{}') as {
    error?: string;
    end?: { sum_received?: { bytes: number }; sum?: { bytes: number; lost_packets?: number } };
  };
  if (answer.error !== undefined || !answer.end) throw new Error(`iperf3: ${answer.error ?? stderr}`);
  const { sum_received: received, sum } = answer.end;
  if (datagrams === undefined) return { received: received?.bytes ?? 0, lost: 0 };
  // By its clock iperf3 sends some more than it was asked to; what matters is that nothing of that was lost.
  return { received: Math.min(bytes, sum?.bytes ?? 0), lost: sum?.lost_packets ?? 0 };
}

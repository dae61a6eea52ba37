import { z } from 'zod';

export const controlPort = z.strictObject({ host: z.string(), port: z.int(), tokenFile: z.string() });
export const gatewayPeerSchema = z.strictObject({
  name: z.string().min(1).max(64),
  /** Its control interface: a socket of this machine, or `https://host:port` (`http://` on loopback only) with its token. */
  control: z.union([
    z.strictObject({ socket: z.string() }),
    z.strictObject({ url: z.url(), tokenFile: z.string(), caFile: z.string().exactOptional() }),
  ]),
});
export type GatewayPeer = z.infer<typeof gatewayPeerSchema>;
